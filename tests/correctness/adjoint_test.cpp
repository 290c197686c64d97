// <dy, conv(x, w)> = <dx, x> = <dw, w>, exactly, on problems too large for plain loops: integer-valued data makes every
// sum exact, in the library and as int64 here.
#include <gtest/gtest.h>

#include <tuple>

#include "support/run.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kProblems = {
    "n2 h56 w56 c64 r3x3 k64 pSAME",
    "n1 h28 w28 c128 r3x3 k128 pSAME",
    "n2 h14 w14 c256 r3x3 k256 pSAME",
    "n4 h7 w7 c256 r3x3 k128 pSAME",
    "n1 h56 w56 c256 r1x1 k64",
    "n4 h14 w14 c512 r1x1 k256",
    "n1 h56 w55 c128 r1x1 k130 s2x2 pSAME",
    "n2 h57 w56 c35 r3x3 k67 s2x2 pSAME",
    "n1 h112 w112 c3 r7x7 k64 s2x2 p3,2,3,2",
    "n2 h31 w33 c48 r5x5 k40 d2x2 pSAME",
    "n2 h28 w28 c64 r3x3 k64 g4 pSAME",
    "n2 h40 w41 c32 r3x3 k32 g32 s2x1 p1,1,2,0",
    "n2 h30 w29 c24 r3x3 k40 pSAME NCHW",
    "n3 h40 w37 c17 r4x3 k29 s3x2 d2x3 p5,0,4,1",
    "n1 h1 w3000 c31 r1x9 k33 s1x2 p0,0,4,4",
    "n6 h30 w31 c67 k130 fixed pSAME",
    "n5 h14 w13 c130 k70 fixed pSAME",
};

int64_t dot(const std::vector<double> &a, const std::vector<double> &b) {
  int64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<int64_t>(a[i]) * static_cast<int64_t>(b[i]);
  return sum;
}

// The parameter is a target and an element type.
class Adjoint : public ::testing::TestWithParam<std::tuple<std::string, convgrad_dtype>> {
 protected:
  std::vector<double> run(const convgrad_context *context, Problem problem, convgrad_op op,
                          const std::vector<double> &first, const std::vector<double> &second) {
    problem.op = op;
    const Outcome outcome = runner_.run(context, problem, first, second);
    EXPECT_EQ(outcome.status, CONVGRAD_OK) << outcome.message;
    EXPECT_EQ(outcome.damage, "");
    tally().add_kernel(outcome.kernel);
    return without_rounding(outcome.result, outcome.kernel);
  }

  Runner runner_;
};

TEST_P(Adjoint, DotProductsAgree) {
  convgrad_context_options options = convgrad_context_options_default();
  const auto &[target, dtype] = GetParam();
  options.target = target.c_str();
  options.num_threads = 2;
  const Context context = make_context(options);
  if (context == nullptr) {
    tally().add_skipped(target);
    GTEST_SKIP() << convgrad_last_error();
  }
  uint64_t seed = 1;
  std::vector<std::string> lines;
  for (size_t i = 0; i < kProblems.size(); i += static_cast<size_t>(test_options().every)) {
    lines.push_back("conv2d " + kProblems[i]);
  }
  for (Problem problem : expand_all(lines)) {
    problem.dtype = dtype;
    SCOPED_TRACE(problem.to_string() + ", seed " + std::to_string(seed) + ", target " + target);
    const reference::Sizes sizes = sizes_of(problem);
    const std::vector<double> x = random_integers(sizes.input_size(), seed++);
    const std::vector<double> w = random_integers(sizes.filter_size(), seed++);
    const std::vector<double> dy = random_integers(sizes.output_size(), seed++);
    const std::vector<double> y = run(context.get(), problem, CONVGRAD_OP_CONV2D, x, w);
    const std::vector<double> dx = run(context.get(), problem, CONVGRAD_OP_CONV2D_BACKPROP_INPUT, w, dy);
    const std::vector<double> dw = run(context.get(), problem, CONVGRAD_OP_CONV2D_BACKPROP_FILTER, x, dy);
    if (HasFailure()) return;
    const int64_t forward = dot(y, dy);
    EXPECT_NE(forward, 0);
    EXPECT_EQ(forward, dot(dx, x));
    EXPECT_EQ(forward, dot(dw, w));
    tally().problems += 3;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Adjoint,
                         ::testing::Combine(::testing::ValuesIn(all_targets()), ::testing::ValuesIn(all_dtypes())),
                         [](const ::testing::TestParamInfo<Adjoint::ParamType> &info) {
                           return std::get<0>(info.param) + "_" + problems::dtype_info(std::get<1>(info.param)).name;
                         });

}  // namespace
}  // namespace convgrad::test
