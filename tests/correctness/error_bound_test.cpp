// |error| <= (L + 2) * eps * sum |a*b| against a more precise type for direct kernels, L being the number of products
// of the element and eps that of the type of sums.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "support/kernel_fixture.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kShapes = {
    "all n2 h9 w11 c16 k24 fixed pSAME",      "all n2 h10 w11 c19 k33 fixed pSAME",
    "all n2 h+10 w+9 c30 k20 fixed p1,0,0,1", "all n3 h7 w9 c64 k48 fixed pSAME",
    "all n3 h+5 w+6 c33 k17 fixed",           "all h7 w7 c300 k40 fixed pSAME",
    "all n2 h7 w7 c40 k300 fixed pSAME",      "all n8 h20 w21 c4 k5 fixed p2,0,0,2",
    "all n4 h28 w28 c5 k9 fixed pSAME",       "all n2 h9 w11 c7 k5 r5x4 s2x1 d1x2 pSAME",
    "all n2 h9 w8 c12 k6 g3 r3x3 pSAME NCHW",
};

struct Bounds {
  Data data;
  std::vector<long double> magnitude;  // sum |a*b|
  std::vector<long double> length;     // products summed
};

const Bounds &bounds_of(const Problem &problem, uint64_t seed) {
  static std::map<std::string, Bounds> cache;
  Bounds &bounds = cache[problem.to_string()];
  if (bounds.data.first.empty()) {
    bounds.data = real_data(problem, seed);
    bounds.magnitude =
        reference_result(problem, reference::magnitudes(bounds.data.first), reference::magnitudes(bounds.data.second));
    bounds.length = reference_result(problem, std::vector<double>(bounds.data.first.size(), 1),
                                     std::vector<double>(bounds.data.second.size(), 1));
  }
  return bounds;
}

class ErrorBound : public KernelTest {};

TEST_P(ErrorBound, AgainstMorePreciseSums) {
  constexpr uint64_t kSeed = 5;
  const double eps = problems::dtype_info(kernel().dtype).sum_eps;
  int accepted = 0;
  double worst = 0;     // in units of the bound
  double multiple = 0;  // of eps * sum|a*b|
  for (const Problem &problem : mine(expand_all(kShapes))) {
    const Bounds &bounds = bounds_of(problem, kSeed);
    Outcome outcome;
    if (!run(problem, bounds.data.first, bounds.data.second, &outcome)) continue;
    ++accepted;
    ASSERT_EQ(outcome.status, CONVGRAD_OK) << outcome.message << "\n" << problem.to_string();
    ASSERT_EQ(outcome.damage, "") << problem.to_string();
    for (size_t i = 0; i < outcome.result.size(); ++i) {
      const auto off = static_cast<double>(std::fabs(outcome.result[i] - bounds.data.expected[i]));
      const auto bound = static_cast<double>((bounds.length[i] + 2) * eps * bounds.magnitude[i]);
      // Written so that a NaN fails.
      ASSERT_TRUE(off <= bound) << "element " << i << " of " << problem.to_string() << " is " << outcome.result[i]
                                << ", expected " << bounds.data.expected[i] << " within " << bound;
      if (bound > 0) worst = std::max(worst, off / bound);
      if (bound > 0) multiple = std::max(multiple, off / (eps * static_cast<double>(bounds.magnitude[i])));
    }
  }
  EXPECT_GE(accepted, 2);
  // Random data that rounds nowhere would mean that nothing was computed.
  EXPECT_GT(worst, 0);
  std::printf("%s: largest error %.3f of the bound; %.2f eps * sum|a*b|\n", kernel().name, worst, multiple);
}

// Winograd kernels have a bound of their own: winograd_bound_test.cpp.
std::vector<const convgrad_kernel_info *> summing_directly(convgrad_op op) {
  std::vector<const convgrad_kernel_info *> kernels = kernels_of(op);
  kernels.erase(std::remove_if(kernels.begin(), kernels.end(), [](const auto *k) { return is_winograd(k->name); }),
                kernels.end());
  return kernels;
}

INSTANTIATE_TEST_SUITE_P(Conv2d, ErrorBound, ::testing::ValuesIn(summing_directly(CONVGRAD_OP_CONV2D)),
                         kernel_test_name);
INSTANTIATE_TEST_SUITE_P(BackpropInput, ErrorBound,
                         ::testing::ValuesIn(summing_directly(CONVGRAD_OP_CONV2D_BACKPROP_INPUT)), kernel_test_name);
INSTANTIATE_TEST_SUITE_P(BackpropFilter, ErrorBound,
                         ::testing::ValuesIn(summing_directly(CONVGRAD_OP_CONV2D_BACKPROP_FILTER)), kernel_test_name);

}  // namespace
}  // namespace convgrad::test
