// Kernels raise no floating-point exception that their operands do not: what they compute in lanes that no one reads is
// of numbers, too, and not of what scratch held before. An application may have unmasked exceptions (SIGFPE), or look
// at the flags.
#include <gtest/gtest.h>

#include <cfenv>
#include <cstring>
#include <string>
#include <vector>

#include "support/kernel_fixture.h"

namespace convgrad::test {
namespace {

// A signaling NaN of float32; two of them are a float64 that overflows when it meets most others.
constexpr uint32_t kSignaling = 0x7fa00001;

struct Memory {
  explicit Memory(size_t bytes) : words(bytes / sizeof(uint64_t) + 8) {}
  char *data() {
    return reinterpret_cast<char *>(words.data()) + (64 - reinterpret_cast<uintptr_t>(words.data()) % 64) % 64;
  }
  std::vector<uint64_t> words;
};

void poison(char *data, size_t bytes) {
  for (size_t at = 0; at + sizeof kSignaling <= bytes; at += sizeof kSignaling)
    memcpy(data + at, &kSignaling, sizeof kSignaling);
}

class FloatExceptions : public KernelTest {};

TEST_P(FloatExceptions, NoneBesidesInexact) {
  int accepted = 0;
  for (const Problem &problem : mine(expand_all({
           "all n2 h9 w11 c5 k7 fixed pSAME",
           "all n3 h7 w9 c13 k21 fixed pSAME",
           "all n2 h10 w11 c19 k33 fixed pSAME",
           "all n1 h1 w1 c1 k1 r1x1",
           "all n2 h8 w8 c64 k64 fixed pSAME",
           "all n5 h6 w6 c5 k130 fixed pSAME",
           "all n5 h6 w6 c130 k5 fixed pSAME",
           "all n2 h9 w8 c6 k4 g2 r3x3 pSAME",
           "all n2 h9 w11 c7 k5 r5x4 s2x1 d1x2",
           "all n2 h5 w6 c5 k7 r3x3 pSAME NCHW",
       }))) {
    const Layouts layouts = layouts_of(problem);
    std::vector<double> values[2];
    for (size_t i = 0; i < 2; ++i) {
      values[i].resize(static_cast<size_t>((i == 0 ? layouts.first : layouts.second).size()));
      for (size_t j = 0; j < values[i].size(); ++j) values[i][j] = static_cast<double>(j % 7) - 3;
    }
    Tensors tensors(problem, values[0], values[1]);
    tensors.clear_result();
    convgrad_plan *plan = nullptr;
    const convgrad_status status = tensors.make_plan(context(), &plan);
    if (status == CONVGRAD_UNSUPPORTED) {
      ++tally().refused;
      continue;
    }
    ASSERT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
    ++tally().problems;
    ++accepted;
    const size_t bytes = convgrad_plan_workspace_size(plan);
    Memory workspace(bytes + 64);
    poison(workspace.data(), bytes);
    feclearexcept(FE_ALL_EXCEPT);
    EXPECT_EQ(tensors.run(plan, workspace.data()), CONVGRAD_OK);
    const int raised = fetestexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW);
    EXPECT_EQ(raised, 0) << "invalid " << (raised & FE_INVALID) << " overflow " << (raised & FE_OVERFLOW) << ": "
                         << problem.to_string() << " by " << kernel().name;
    convgrad_plan_destroy(plan);
  }
  EXPECT_GE(accepted, 2);
}

CONVGRAD_INSTANTIATE_PER_KERNEL(FloatExceptions);

}  // namespace
}  // namespace convgrad::test
