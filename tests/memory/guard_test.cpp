// No access outside a tensor or a workspace: pages that may not be touched lie directly before or after each of them,
// and the workspace has exactly the size that was asked for. A stray access ends the process.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "support/kernel_fixture.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kShapes = {
    "all n2 h9 w11 c5 k7 fixed pSAME",
    "all n2 h10 w11 c19 k33 fixed pSAME",
    "all n3 h7 w9 c13 k21 fixed pSAME",
    "all n3 h8 w9 c33 k17 fixed pSAME",
    "all n1 h1 w1 c1 k1 r1x1",
    "all n1 h1 w1 c3 k2 r3x3 pSAME",
    "all n2 h7 w7 c64 k64 fixed pSAME",
    "all n1 h14 w14 c65 k66 fixed pSAME",
    "all n2 h+12 w+12 c24 k40 fixed",
    "all n5 h6 w6 c5 k130 fixed pSAME",
    "all n5 h6 w6 c130 k5 fixed pSAME",
    "all n2 h9 w8 c6 k4 g2 r3x3 pSAME",
    "all n2 h9 w11 c7 k5 r5x4 s2x1 d1x2",
    "all n2 h5 w6 c5 k7 r3x3 pSAME NCHW",
    "all n2 h+2 w+3 c5 k7 fixed p9,10,11,12",
    "all n1 h29 w+0 c17 k31 fixed p0,1,2,0",
    "all n2 h7 w8 c5 k6 fixed pSAME gap3",
    // With 16 threads in slices.
    "all n4 h6 w8 c66 k70 fixed pSAME",
    "conv2d_backprop_input n1 h41 w20 c70 k64 r2x5 s3x2",
};

class Guards : public KernelTest {};

TEST_P(Guards, NoAccessOutside) {
  constexpr uint64_t kSeed = 3;
  int accepted = 0;
  for (const Problem &problem : mine(expand_all(kShapes))) {
    const Data data = integer_data(problem, kSeed);
    for (Placement placement : {Placement::kBeforeGuard, Placement::kAfterGuard, Placement::kOdd}) {
      for (int threads : {1, 16}) {
        RunOptions options;
        options.placement = placement;
        Outcome outcome;
        if (!run(problem, data.first, data.second, &outcome, options, threads)) continue;
        ++accepted;
        ASSERT_TRUE(equals_expected(outcome, data.expected, {&problem, kernel().name, kSeed, threads}));
      }
    }
  }
  EXPECT_GE(accepted, 3 * 6);
}

// What the generic algorithm takes up to: coordinates and their strides as large as int32 allows. An address that
// overflows lands far outside.
TEST_P(Guards, LargestCoordinates) {
  if (std::string(kernel().algorithm) != "generic") return;
  constexpr uint64_t kSeed = 4;
  constexpr int64_t kFarApart = 1 << 20;
  int accepted = 0;
  for (const Problem &problem : mine(load_shapes("edge.txt"))) {
    const bool far_apart = std::min(std::max(problem.strides[0], problem.strides[1]),
                                    std::max(problem.dilations[0], problem.dilations[1])) > kFarApart;
    if (!far_apart) continue;
    const Data data = integer_data(problem, kSeed);
    for (Placement placement : {Placement::kBeforeGuard, Placement::kAfterGuard, Placement::kOdd}) {
      for (int threads : {1, 4}) {
        RunOptions options;
        options.placement = placement;
        Outcome outcome;
        ASSERT_TRUE(run(problem, data.first, data.second, &outcome, options, threads)) << outcome.message;
        EXPECT_TRUE(equals_expected(outcome, data.expected, {&problem, kernel().name, kSeed, threads}));
        ++accepted;
      }
    }
  }
  EXPECT_GE(accepted, 5 * 6);
}

CONVGRAD_INSTANTIATE_PER_KERNEL(Guards);

// The test's own tool: a touched guard does end the process, and a changed byte beside the room is seen.
TEST(GuardedBuffer, Guards) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  GuardedBuffer buffer;
  auto *memory = static_cast<volatile char *>(buffer.place(100, Placement::kBeforeGuard));
  EXPECT_TRUE(buffer.surroundings_intact());
  EXPECT_DEATH(memory[100] = 1, "");
  memory[-1] = 1;
  EXPECT_FALSE(buffer.surroundings_intact());
  memory = static_cast<volatile char *>(buffer.place(100, Placement::kAfterGuard));
  EXPECT_DEATH(memory[-1] = 1, "");
  memory[100] = 1;
  EXPECT_FALSE(buffer.surroundings_intact());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.place(100, Placement::kOdd)) % 64, 4u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.place(104, Placement::kOdd, 8)) % 64, 8u);
}

// What a kernel reads of it must show in its result.
TEST(GuardedBuffer, ThePatternIsANaNOfEveryType) {
  double as_double;
  float as_float[2];
  fill_pattern(&as_double, sizeof as_double);
  fill_pattern(as_float, sizeof as_float);
  EXPECT_TRUE(std::isnan(as_double));
  EXPECT_TRUE(std::isnan(as_float[0]));
  uint16_t halves[2];
  fill_pattern(halves, sizeof halves);
  for (const uint16_t half : halves) {
    EXPECT_GT(half, 0x7f80) << "bfloat16's infinity";
    EXPECT_LT(half, 0x8000);
  }
}

}  // namespace
}  // namespace convgrad::test
