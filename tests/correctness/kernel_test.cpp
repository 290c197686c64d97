// Every kernel, forced by name, against the reference on integer-valued data. Kernels are equal to the reference
// element for element, and so to one another (Winograd's but for rounding that no integer survives wrongly).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/kernel_fixture.h"

namespace convgrad::test {
namespace {

constexpr uint64_t kSeed = 20;

// One problem in so many for each filter, stride and dilation, so that a sample has some for each kernel.
std::vector<Problem> sample_of(const std::vector<Problem> &all) {
  std::vector<Problem> problems;
  std::map<std::array<int64_t, 6>, int> seen;
  for (const Problem &problem : all) {
    int &index = seen[{problem.filter_height, problem.filter_width, problem.strides[0], problem.strides[1],
                       problem.dilations[0], problem.dilations[1]}];
    if (index++ % test_options().every == 0) problems.push_back(problem);
  }
  return problems;
}

// Shared by the kernels of a process, which come by element type; what is there for another list or type goes, since it
// is not needed again.
DataCache &data_cache(const std::string &list, convgrad_dtype dtype) {
  static DataCache cache;
  static std::pair<std::string, convgrad_dtype> of;
  if (of != std::make_pair(list, dtype)) cache = DataCache();
  of = {list, dtype};
  return cache;
}

class EveryKernel : public KernelTest {
 protected:
  // Runs what the kernel accepts of the list, and asks that it accepts its share.
  void run_list(const std::string &shapes, size_t least_accepted) {
    const std::vector<Problem> problems = sample_of(mine(load_shapes(shapes)));
    size_t accepted = 0;
    int failures = 0;
    for (size_t i = 0; i < problems.size() && failures < 5; ++i) {
      const Problem &problem = problems[i];
      RunOptions options;
      options.placement = static_cast<Placement>(i % 3);
      const Data &data = data_cache(shapes, problem.dtype).get(problem, kSeed);
      Outcome outcome;
      if (!run(problem, data.first, data.second, &outcome, options)) {
        // The generic algorithm takes everything but, where the runtime says so, strided tensors.
        const bool may_refuse = std::string(kernel().algorithm) != "generic" || problem.has_strided_tensors();
        EXPECT_TRUE(may_refuse) << kernel().name << " refuses " << problem.to_string() << ": " << outcome.message;
        failures += !may_refuse;
        continue;
      }
      // Where nothing is to be added up, no kernel runs and none has accepted anything.
      if (outcome.kernel.empty()) {
        EXPECT_TRUE(
            std::all_of(data.expected.begin(), data.expected.end(), [](long double value) { return value == 0; }))
            << "no kernel for " << problem.to_string();
      } else {
        EXPECT_EQ(outcome.kernel, kernel().name) << problem.to_string();
        ++accepted;
      }
      const ::testing::AssertionResult equal =
          equals_expected(outcome, data.expected, {&problem, kernel().name, kSeed, 1});
      EXPECT_TRUE(equal);
      failures += !equal;
    }
    EXPECT_GE(accepted, std::max<size_t>(1, least_accepted / static_cast<size_t>(test_options().every)))
        << "of " << problems.size();
    RecordProperty("accepted", static_cast<int>(accepted));
  }
};

TEST_P(EveryKernel, EdgeShapes) { run_list("edge.txt", 40); }

// All of them need more than what edge.txt has at most.
TEST_P(EveryKernel, CoordinatesAboveInt32) {
  for (const Problem &problem : mine(load_shapes("too_large.txt"))) {
    const Data data = integer_data(problem, kSeed);
    Outcome outcome;
    EXPECT_FALSE(run(problem, data.first, data.second, &outcome)) << problem.to_string();
    EXPECT_NE(outcome.message.find("coordinates"), std::string::npos) << outcome.message;
  }
}

TEST_P(EveryKernel, Tails) { run_list("tails.txt", 200); }

// The word `fixed` of a shape list stands for what the names say.
TEST_P(EveryKernel, ItsNameSaysWhatItFixes) {
  const std::optional<FixedFilter> fixed = parse_kernel_name(kernel());
  ASSERT_TRUE(fixed) << kernel().name;
  const auto accepts = [&](std::array<int64_t, 2> filter, std::array<int64_t, 2> stride) {
    Problem problem;
    problem.op = kernel().op;
    problem.dtype = kernel().dtype;
    problem.in_height = filter[0] + 3 * stride[0];
    problem.in_width = filter[1] + 3 * stride[1];
    problem.in_channels = problem.out_channels = 3;
    problem.filter_height = filter[0];
    problem.filter_width = filter[1];
    problem.strides = stride;
    const Data data = integer_data(problem, kSeed);
    Outcome outcome;
    if (!run(problem, data.first, data.second, &outcome)) return false;
    EXPECT_TRUE(equals_expected(outcome, data.expected, {&problem, kernel().name, kSeed, 1}));
    return true;
  };
  if (fixed->any()) {
    EXPECT_TRUE(accepts({4, 6}, {3, 2}));
    EXPECT_TRUE(accepts({5, 1}, {1, 4}));
    return;
  }
  EXPECT_TRUE(accepts(fixed->filter, fixed->stride));
  for (size_t i = 0; i < 2; ++i) {
    std::array<int64_t, 2> other = fixed->filter;
    ++other[i];
    EXPECT_FALSE(accepts(other, fixed->stride));
    other = fixed->stride;
    ++other[i];
    EXPECT_FALSE(accepts(fixed->filter, other));
  }
}

CONVGRAD_INSTANTIATE_PER_KERNEL(EveryKernel);

TEST(Kernels, NamesAreRead) {
  convgrad_kernel_info kernel = {};
  kernel.target = "x86_64_avx2";
  kernel.algorithm = "direct";
  kernel.op = CONVGRAD_OP_CONV2D_BACKPROP_INPUT;
  std::string prefix = "conv2d_backprop_input_f32_x86_64_avx2_direct_";
  const auto parse = [&](const std::string &name) {
    kernel.name = name.c_str();
    return parse_kernel_name(kernel);
  };
  std::optional<FixedFilter> fixed = parse(prefix + "5x11s2x1_h2w7c32_narrow");
  ASSERT_TRUE(fixed);
  EXPECT_EQ(fixed->filter, (std::array<int64_t, 2>{5, 11}));
  EXPECT_EQ(fixed->stride, (std::array<int64_t, 2>{2, 1}));
  kernel.dtype = CONVGRAD_FLOAT64;
  EXPECT_FALSE(parse(prefix + "1x3s4_h1"));
  prefix = "conv2d_backprop_input_f64_x86_64_avx2_direct_";
  fixed = parse(prefix + "1x3s4_h1");
  ASSERT_TRUE(fixed);
  EXPECT_EQ(fixed->stride, (std::array<int64_t, 2>{4, 4}));
  fixed = parse(prefix + "any_h1");
  ASSERT_TRUE(fixed);
  EXPECT_TRUE(fixed->any());
  for (const char *bad : {"", "3x3s1", "3x3_h1", "3s1_h1", "0x3s1_h1", "3x3s0_h1", "3x3s1x_h1", "anys1_h1", "any"}) {
    EXPECT_FALSE(parse(prefix + bad)) << bad;
  }
  EXPECT_FALSE(parse("conv2d_f64_x86_64_avx2_direct_3x3s1_h1"));
  EXPECT_FALSE(parse("conv2d_backprop_input_f64_x86_64_avx512_direct_3x3s1_h1"));
}

TEST(Kernels, ThereIsNoneBehindTheLast) { EXPECT_EQ(convgrad_kernel_at(convgrad_kernel_count()), nullptr); }

// What no kernel accepts cannot be computed at all: each target needs one that takes everything.
TEST(Kernels, EveryTargetHasAGenericKernelForEachOpAndDtype) {
  for (const std::string &target : all_targets()) {
    for (convgrad_op op : {CONVGRAD_OP_CONV2D, CONVGRAD_OP_CONV2D_BACKPROP_INPUT, CONVGRAD_OP_CONV2D_BACKPROP_FILTER}) {
      for (const convgrad_dtype dtype : all_dtypes()) {
        const std::vector<const convgrad_kernel_info *> kernels = kernels_of(op);
        const auto is_it = [&](const convgrad_kernel_info *kernel) {
          return kernel->target == target && kernel->dtype == dtype && std::string(kernel->algorithm) == "generic";
        };
        EXPECT_TRUE(std::any_of(kernels.begin(), kernels.end(), is_it))
            << target << " has no generic kernel for " << op_name(op) << " of " << problems::dtype_info(dtype).name;
      }
    }
  }
}

}  // namespace
}  // namespace convgrad::test
