// The reference against what TensorFlow computed, and the lists of problems.
#include <gtest/gtest.h>

#include "support/run.h"
#include "support/tensorflow_cases.h"

namespace convgrad::test {
namespace {

TEST(Reference, AgreesWithTensorFlow) {
  const std::vector<TensorFlowCase> cases = load_tensorflow_cases();
  ASSERT_EQ(cases.size(), 257u);
  size_t with_values = 0;
  for (const TensorFlowCase &one : cases) {
    SCOPED_TRACE(one.name + ": " + one.problem.to_string());
    const reference::Sizes sizes = sizes_of(one.problem);
    EXPECT_EQ(sizes.height.out, one.output_sizes[1]);
    EXPECT_EQ(sizes.width.out, one.output_sizes[2]);
    EXPECT_EQ(sizes.height.before, one.pads[0]);
    EXPECT_EQ(sizes.height.after, one.pads[1]);
    EXPECT_EQ(sizes.width.before, one.pads[2]);
    EXPECT_EQ(sizes.width.after, one.pads[3]);
    if (!is_affordable(one.problem)) continue;
    for (const convgrad_dtype dtype : {CONVGRAD_FLOAT32, CONVGRAD_FLOAT64}) {  // summed in double, and in long double
      Problem problem = one.problem;
      problem.dtype = dtype;
      const std::vector<long double> result = reference_result(problem, one.first, one.second);
      EXPECT_TRUE(agrees_with(one, {result.begin(), result.end()}));
    }
    with_values += !one.expected.empty();
    ++tally().problems;
  }
  EXPECT_GT(with_values, 100u);
}

// conv2d has no case in TensorFlow's gradient tests; the adjoint identity ties it to the two that have.
TEST(Reference, OperationsAreAdjoint) {
  for (const Problem &problem : load_shapes("edge.txt")) {
    if (problem.op != CONVGRAD_OP_CONV2D) continue;
    const reference::Sizes sizes = sizes_of(problem);
    const std::vector<double> x = random_integers(sizes.input_size(), 1);
    const std::vector<double> w = random_integers(sizes.filter_size(), 2);
    const std::vector<double> dy = random_integers(sizes.output_size(), 3);
    const auto dot = [](const std::vector<double> &a, const std::vector<double> &b) {
      double sum = 0;
      for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
      return sum;
    };
    const double forward = dot(reference::conv2d<double>(sizes, x, w), dy);
    EXPECT_EQ(forward, dot(reference::conv2d_backprop_input<double>(sizes, w, dy), x)) << problem.to_string();
    EXPECT_EQ(forward, dot(reference::conv2d_backprop_filter<double>(sizes, x, dy), w)) << problem.to_string();
    ++tally().problems;
  }
}

// x = 1 2 3, w = 10 20, one zero before: 0*10+1*20, 1*10+2*20, 2*10+3*20.
TEST(Reference, ByHand) {
  std::string error;
  const std::optional<Problem> problem = parse_problem("conv2d h1 w3 r1x2 p0,0,1,0", &error);
  ASSERT_TRUE(problem) << error;
  EXPECT_EQ(reference::conv2d<double>(sizes_of(*problem), {1, 2, 3}, {10, 20}), (std::vector<double>{20, 50, 80}));
  EXPECT_EQ(reference::conv2d_backprop_input<double>(sizes_of(*problem), {10, 20}, {1, 2, 3}),
            (std::vector<double>{1 * 20 + 2 * 10, 2 * 20 + 3 * 10, 3 * 20}));
  EXPECT_EQ(reference::conv2d_backprop_filter<double>(sizes_of(*problem), {1, 2, 3}, {1, 2, 3}),
            (std::vector<double>{1 * 2 + 2 * 3, 1 * 1 + 2 * 2 + 3 * 3}));
}

// Problems of the lists are printed and read back without loss.
TEST(Shapes, PrintedFormReadsBack) {
  std::vector<Problem> problems = load_shapes("edge.txt");
  for (const Problem &problem : load_shapes("tails.txt")) problems.push_back(problem);
  for (const Problem &problem : problems) {
    std::string error;
    const std::optional<Problem> again = parse_problem(problem.to_string(), &error);
    ASSERT_TRUE(again) << error;
    EXPECT_EQ(*again, problem) << problem.to_string();
  }
}

TEST(Shapes, BadLinesAreRefused) {
  for (const char *line :
       {"", "conv3d h1", "all h+ w1", "all h1 w+1x", "all h+1 w1 r3", "conv2d h1 w1 r9x9", "all h1 w1 c0"}) {
    std::string error;
    EXPECT_TRUE(expand_shapes(line, &error).empty()) << line;
    EXPECT_FALSE(error.empty()) << line;
  }
}

TEST(Shapes, RangesExpand) {
  std::string error;
  EXPECT_EQ(expand_shapes("all h1..3 w5 c2..8/3 k1 r1x1", &error).size(), 3u * 3u * 3u);
  EXPECT_EQ(expand_shapes("conv2d h7..5 w5", &error).size(), 0u);
  EXPECT_FALSE(error.empty());
}

TEST(Shapes, FixedStandsForWhatKernelsFix) {
  const std::vector<Problem> problems = expand_all({"all n2 h+3 w+1..2 fixed pSAME"});
  EXPECT_EQ(problems.size(), fixed_filters().size() * 2 * 3);
  size_t at = 0;
  for (const FixedFilter &fixed : fixed_filters()) {
    for (size_t i = 0; i < 6; ++i) {
      const Problem &problem = problems[at++];
      EXPECT_EQ(problem.filter_height, fixed.filter[0]);
      EXPECT_EQ(problem.filter_width, fixed.filter[1]);
      EXPECT_EQ(problem.strides, fixed.stride);
      EXPECT_EQ(problem.in_height, fixed.filter[0] + 3);
      EXPECT_EQ(problem.in_width, fixed.filter[1] + 1 + static_cast<int64_t>(i / 3));
    }
  }
  for (const convgrad_kernel_info *kernel : all_kernels()) {
    const std::optional<FixedFilter> fixed = parse_kernel_name(*kernel);
    ASSERT_TRUE(fixed) << kernel->name;
    EXPECT_EQ(fixed->any(), std::string(kernel->algorithm) == "generic") << kernel->name;
  }
}

TEST(Shapes, SizesMayBeRelativeToTheFilter) {
  std::string error;
  const std::vector<Problem> problems = expand_shapes("conv2d w+0 h+11 r3x5", &error);
  ASSERT_EQ(problems.size(), 1u) << error;
  EXPECT_EQ(problems[0].in_height, 14);
  EXPECT_EQ(problems[0].in_width, 5);
}

}  // namespace
}  // namespace convgrad::test
