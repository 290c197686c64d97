// Choosing by name, for tables and machines that are not here.
#include "choose_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "example_problem.h"

namespace convgrad {
namespace {

using ::testing::HasSubstr;

const Target wide = {"wide", 300, FEATURE_AVX512F | FEATURE_AVX2, DeviceKind::CPU, 0, 0};
const Target middle = {"middle", 200, FEATURE_AVX2 | FEATURE_FMA, DeviceKind::CPU, 0, 0};
const Target narrow = {"narrow", 100, FEATURE_SSE41, DeviceKind::CPU, 0, 0};
const Target gpu = {"gpu", 400, 0, DeviceKind::OPENCL, 0, 0};
const Target test_only = {"test_only", 0, FEATURE_AVX2, DeviceKind::CPU, 0, 0};

int never_run(void **) { return -1; }

Kernel kernel_of(const char *name, const Target *target, int filter, int stride, bool fixed, bool strict) {
  Kernel kernel = {};
  kernel.name = name;
  kernel.algorithm = "direct";
  kernel.target = target;
  kernel.dtype = CONVGRAD_FLOAT32;
  kernel.filter[HEIGHT] = kernel.filter[WIDTH] = filter;
  kernel.stride[HEIGHT] = kernel.stride[WIDTH] = stride;
  kernel.fixed = fixed;
  kernel.strict = strict;
  kernel.run = never_run;
  return kernel;
}

const Kernel kernels[] = {
    kernel_of("wide_winograd", &wide, 3, 1, true, false),           // 0
    kernel_of("wide_3x3", &wide, 3, 1, true, true),                 // 1
    kernel_of("wide_generic", &wide, 0, 0, false, true),            // 2
    kernel_of("middle_tuned", &middle, 3, 1, true, true),           // 3
    kernel_of("middle_1x1", &middle, 1, 1, true, true),             // 4
    kernel_of("middle_3x3", &middle, 3, 1, true, true),             // 5
    kernel_of("middle_3x3s2", &middle, 3, 2, true, true),           // 6
    kernel_of("middle_generic", &middle, 0, 0, false, true),        // 7
    kernel_of("narrow_generic", &narrow, 0, 0, false, true),        // 8
    kernel_of("test_only_generic", &test_only, 0, 0, false, true),  // 9
};

const Row rows[] = {
    {0, "any", {{Bound::min, Size::in_channels, 32}, {Bound::max, Size::out_width, 14}}},
    {1, "any", {}},
    {2, "any", {}},
    {3, "zen3", {}},
    {4, "any", {}},
    {5, "any", {}},
    {6, "any", {}},
    {7, "any", {}},
    {8, "any", {}},
    {9, "any", {}},
};

const KernelTable table = {CONVGRAD_OP_CONV2D, kernels, 10, rows, 10};

constexpr uint64_t middle_features = FEATURE_SSE41 | FEATURE_AVX2 | FEATURE_FMA;
constexpr uint64_t wide_features = middle_features | FEATURE_AVX512F;

Machine machine_of(uint64_t features, const char *hardware = nullptr) {
  Machine machine = {};
  machine.features = features;
  machine.hardware = hardware;
  return machine;
}

Normalized conv(int64_t size, int64_t taps, int64_t stride, int64_t channels, int64_t dilation = 1,
                convgrad_op op = CONVGRAD_OP_CONV2D) {
  const int64_t out = (size + stride - 1) / stride;
  const Axis axis = axis_of(size, taps, out, stride, dilation, (taps - 1) * dilation / 2);
  return normalize(problem_of(op, 1, axis, axis, channels, channels));
}

class ChooseKernel : public ::testing::Test {
 protected:
  std::string choose(const Normalized &problem, const Machine &machine, const Choice &choice = {}) {
    observed.clear();
    reason.clear();
    const RowObserver observer = {observe, this};
    const Kernel *kernel = choose_kernel(problem, table, machine, choice, &observer, &reason);
    return kernel == nullptr ? "" : kernel->name;
  }

  static void observe(void *arg, size_t row, const Kernel &kernel, const char *reason) {
    auto *test = static_cast<ChooseKernel *>(arg);
    EXPECT_EQ(row, test->observed.size());
    test->observed.push_back(std::string(kernel.name) + ": " + (reason == nullptr ? "taken" : reason));
  }

  Text reason;
  std::vector<std::string> observed;
};

TEST_F(ChooseKernel, TheBestTargetOfTheMachine) {
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(wide_features)), "wide_3x3");
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(middle_features)), "middle_3x3");
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(FEATURE_SSE41)), "narrow_generic");
}

TEST_F(ChooseKernel, AGpuIsNeverTheBestTargetUnasked) {
  const Kernel two[] = {kernel_of("gpu_generic", &gpu, 0, 0, false, true),
                        kernel_of("narrow_generic", &narrow, 0, 0, false, true)};
  const Row both[] = {{0, "any", {}}, {1, "any", {}}};
  const KernelTable with_gpu = {CONVGRAD_OP_CONV2D, two, 2, both, 2};
  const Normalized problem = conv(56, 3, 1, 64);
  const auto name = [&](const Machine &machine, const Choice &choice) -> std::string {
    reason.clear();
    const Kernel *kernel = choose_kernel(problem, with_gpu, machine, choice, nullptr, &reason);
    return kernel == nullptr ? "" : kernel->name;
  };
  EXPECT_EQ(name(machine_of(FEATURE_SSE41), {}), "narrow_generic");
  EXPECT_EQ(name(machine_of(0), {}), "") << "a CPU without the ISA gets no GPU instead";
  EXPECT_THAT(reason.c_str(), HasSubstr("narrow"));
  EXPECT_EQ(name(machine_of(0), {&gpu, nullptr, false}), "gpu_generic");
  EXPECT_EQ(name(machine_of(FEATURE_SSE41), {&narrow, nullptr, false}), "narrow_generic");
}

TEST_F(ChooseKernel, ATargetWithoutASpecialRowHasItsGenericOne) {
  EXPECT_EQ(choose(conv(56, 5, 1, 64), machine_of(wide_features)), "wide_generic");
  EXPECT_EQ(choose(conv(56, 1, 1, 64), machine_of(wide_features)), "wide_generic");
  EXPECT_EQ(choose(conv(56, 1, 1, 64), machine_of(middle_features)), "middle_1x1");
}

TEST_F(ChooseKernel, ShapeClasses) {
  const Machine machine = machine_of(wide_features);
  EXPECT_EQ(choose(conv(14, 3, 1, 32), machine), "wide_winograd");
  EXPECT_EQ(choose(conv(15, 3, 1, 32), machine), "wide_3x3");
  EXPECT_THAT(observed[0], HasSubstr("max_out_width 14, the problem has 15"));
  EXPECT_EQ(choose(conv(14, 3, 1, 31), machine), "wide_3x3");
  EXPECT_THAT(observed[0], HasSubstr("min_in_channels 32, the problem has 31"));
}

TEST_F(ChooseKernel, EveryKeyComparesItsOwnSize) {
  // Sizes that are all different: batch 2, input 11x13x4, output 5x6x9 in each of 3 groups.
  const Normalized problem =
      normalize(problem_of(CONVGRAD_OP_CONV2D, 2, axis_of(11, 3, 5, 2, 1, 0), axis_of(13, 3, 6, 2, 1, 0), 12, 27, 3));
  const struct {
    Size size;
    int64_t value;
  } sizes[] = {{Size::batch, 2},      {Size::in_height, 11}, {Size::in_width, 13},    {Size::in_channels, 4},
               {Size::out_height, 5}, {Size::out_width, 6},  {Size::out_channels, 9}, {Size::groups, 3}};
  ASSERT_EQ(std::size(sizes), static_cast<size_t>(Size::count));
  for (const auto &[size, value] : sizes) {
    for (int64_t off = -1; off <= 1; ++off) {
      const Row minimum = {7, "any", {{Bound::min, size, value + off}}};
      const Row maximum = {7, "any", {{Bound::max, size, value + off}}};
      const Row multiple = {7, "any", {{Bound::multiple, size, value + off}}};
      Text ignored;
      const KernelTable with_minimum = {CONVGRAD_OP_CONV2D, kernels, 10, &minimum, 1};
      const KernelTable with_maximum = {CONVGRAD_OP_CONV2D, kernels, 10, &maximum, 1};
      const Machine machine = machine_of(middle_features);
      EXPECT_EQ(choose_kernel(problem, with_minimum, machine, {}, nullptr, &ignored) != nullptr, off <= 0)
          << static_cast<int>(size);
      EXPECT_EQ(choose_kernel(problem, with_maximum, machine, {}, nullptr, &ignored) != nullptr, off >= 0)
          << static_cast<int>(size);
      if (value + off < 1) continue;
      const KernelTable with_multiple = {CONVGRAD_OP_CONV2D, kernels, 10, &multiple, 1};
      EXPECT_EQ(choose_kernel(problem, with_multiple, machine, {}, nullptr, &ignored) != nullptr,
                value % (value + off) == 0)
          << static_cast<int>(size);
    }
  }
}

TEST_F(ChooseKernel, MultiplesOfChannels) {
  const Row rows_of_24[] = {{7, "any", {{Bound::multiple, Size::out_channels, 24}}},
                            {8, "any", {{Bound::multiple, Size::in_channels, 5}}}};
  const KernelTable with_multiples = {CONVGRAD_OP_CONV2D, kernels, 10, rows_of_24, 2};
  const auto name = [&](int64_t in_channels, int64_t out_channels) -> std::string {
    const Axis axis = axis_of(9, 3, 7, 1, 1, 0);
    reason.clear();
    const Normalized problem = normalize(problem_of(CONVGRAD_OP_CONV2D, 1, axis, axis, in_channels, out_channels));
    const Kernel *kernel = choose_kernel(problem, with_multiples, machine_of(middle_features), {}, nullptr, &reason);
    return kernel == nullptr ? "" : kernel->name;
  };
  EXPECT_EQ(name(7, 24), "middle_generic");
  EXPECT_EQ(name(7, 72), "middle_generic");
  EXPECT_EQ(name(15, 36), "narrow_generic");
  EXPECT_EQ(name(16, 36), "");
}

TEST_F(ChooseKernel, MultiplesOfTheBatch) {
  const Row row_of_4[] = {{7, "any", {{Bound::multiple, Size::batch, 4}}}, {8, "any", {}}};
  const KernelTable with_multiples = {CONVGRAD_OP_CONV2D, kernels, 10, row_of_4, 2};
  const auto name = [&](int64_t batch) -> std::string {
    const Axis axis = axis_of(9, 3, 7, 1, 1, 0);
    const Normalized problem = normalize(problem_of(CONVGRAD_OP_CONV2D, batch, axis, axis, 7, 24));
    return choose_kernel(problem, with_multiples, machine_of(middle_features), {}, nullptr, &reason)->name;
  };
  EXPECT_EQ(name(4), "middle_generic");
  EXPECT_EQ(name(12), "middle_generic");
  EXPECT_EQ(name(1), "narrow_generic");
  EXPECT_EQ(name(6), "narrow_generic");
}

TEST_F(ChooseKernel, RowsOfAHardware) {
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(middle_features, "zen3")), "middle_tuned");
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(middle_features, "zen4")), "middle_3x3");
  EXPECT_THAT(observed[3], HasSubstr("tuned for zen3, this machine is zen4"));
  // The hardware's features still count.
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(FEATURE_SSE41, "zen3")), "narrow_generic");
}

TEST_F(ChooseKernel, StrictLeavesWinogradOut) {
  EXPECT_EQ(choose(conv(14, 3, 1, 32), machine_of(wide_features), {nullptr, nullptr, true}), "wide_3x3");
  EXPECT_THAT(observed[0], HasSubstr("not strict"));
}

TEST_F(ChooseKernel, AForcedTargetHasOnlyItsOwnRows) {
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(wide_features), {&middle, nullptr, false}), "middle_3x3");
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(wide_features), {&narrow, nullptr, false}), "narrow_generic");
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(wide_features), {&test_only, nullptr, false}), "test_only_generic");
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(FEATURE_SSE41), {&middle, nullptr, false}), "");
  EXPECT_THAT(reason.c_str(), HasSubstr("middle needs fma avx2"));
  EXPECT_THAT(reason.c_str(), HasSubstr("lacks fma avx2"));
}

TEST_F(ChooseKernel, TheTestTargetIsNeverChosen) {
  const Row only_row = {9, "any", {}};
  const KernelTable only = {CONVGRAD_OP_CONV2D, kernels, 10, &only_row, 1};
  EXPECT_EQ(choose_kernel(conv(56, 3, 1, 64), only, machine_of(wide_features), {}, nullptr, &reason), nullptr);
}

TEST_F(ChooseKernel, AMachineWithoutAnyTarget) {
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(0)), "");
  EXPECT_THAT(reason.c_str(), HasSubstr("target narrow needs sse41; this machine lacks sse41"));
}

TEST_F(ChooseKernel, EveryRefusalHasAReason) {
  EXPECT_EQ(choose(conv(56, 5, 1, 64), machine_of(FEATURE_SSE41)), "narrow_generic");
  ASSERT_EQ(observed.size(), 9u);
  EXPECT_THAT(observed[0], HasSubstr("wide_winograd: target wide needs avx2 avx512f; this machine lacks avx2 avx512f"));
  for (size_t i = 0; i < 8; ++i) EXPECT_GT(observed[i].size(), std::string(kernels[i].name).size() + 10) << i;
  EXPECT_EQ(observed[8], "narrow_generic: taken");
  EXPECT_EQ(choose(conv(56, 5, 1, 64), machine_of(middle_features)), "middle_generic");
  EXPECT_THAT(observed[5], HasSubstr("takes filter 3x3, the problem has 5x5"));
  EXPECT_EQ(choose(conv(56, 3, 2, 64), machine_of(middle_features)), "middle_3x3s2");
  EXPECT_THAT(observed[5], HasSubstr("takes stride 1x1, the problem has 2x2"));
  EXPECT_EQ(choose(conv(56, 3, 1, 64, 2), machine_of(middle_features)), "middle_generic");
  EXPECT_THAT(observed[5], HasSubstr("takes dilation 1x1, the problem has 2x2"));
}

TEST_F(ChooseKernel, ChannelsThatAreApart) {
  Normalized problem = conv(56, 3, 1, 64);
  for (int role = 0; role < 3; ++role) {
    Normalized apart = problem;
    apart.view[role].stride[0] = 56 * 56;
    EXPECT_EQ(choose(apart, machine_of(middle_features)), "middle_generic");
    EXPECT_THAT(observed[5], HasSubstr("channels next to each other"));
  }
  // A single channel is next to itself.
  problem = conv(56, 3, 1, 1);
  for (View &view : problem.view) view.stride[0] = 56 * 56;
  EXPECT_EQ(choose(problem, machine_of(middle_features)), "middle_3x3");
}

TEST_F(ChooseKernel, AForcedKernelLooksOnlyAtWhatItComputes) {
  const Machine machine = machine_of(wide_features, "zen4");
  EXPECT_EQ(choose(conv(15, 3, 1, 1), machine, {nullptr, "wide_winograd", false}), "wide_winograd");
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine, {nullptr, "middle_tuned", false}), "middle_tuned");
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine, {nullptr, "test_only_generic", false}), "test_only_generic");
  EXPECT_TRUE(observed.empty());
  EXPECT_EQ(choose(conv(56, 3, 2, 64), machine, {nullptr, "middle_3x3", false}), "");
  EXPECT_THAT(reason.c_str(), HasSubstr("takes stride 1x1, the problem has 2x2"));
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine_of(FEATURE_SSE41), {nullptr, "middle_3x3", false}), "");
  EXPECT_THAT(reason.c_str(), HasSubstr("lacks"));
  EXPECT_EQ(choose(conv(56, 3, 1, 64), machine, {nullptr, "of_another_op", false}), "");
  EXPECT_STREQ(reason.c_str(), "computes another op");
}

TEST_F(ChooseKernel, OnePositionSuitsAnyStride) {
  const Axis single = axis_of(3, 3, 1, 7, 1, 0);
  const Normalized problem = normalize(problem_of(CONVGRAD_OP_CONV2D, 1, single, single, 64, 64));
  const Machine machine = machine_of(middle_features);
  EXPECT_EQ(choose(problem, machine), "middle_3x3");
  EXPECT_EQ(choose(problem, machine, {nullptr, "middle_3x3s2", false}), "middle_3x3s2");
  const Axis two = axis_of(10, 3, 2, 7, 1, 0);
  EXPECT_EQ(choose(normalize(problem_of(CONVGRAD_OP_CONV2D, 1, single, two, 64, 64)), machine), "middle_generic");
}

TEST_F(ChooseKernel, PhasesLeavePartsOfAFixedFilter) {
  const Kernel fixed_filter = kernel_of("3x3_any_stride", &narrow, 3, 0, true, true);
  EXPECT_TRUE(accepts(fixed_filter, conv(8, 3, 2, 4), &reason));
  EXPECT_TRUE(accepts(fixed_filter, conv(8, 3, 1, 4, 1, CONVGRAD_OP_CONV2D_BACKPROP_INPUT), &reason));
  EXPECT_FALSE(accepts(fixed_filter, conv(8, 3, 2, 4, 1, CONVGRAD_OP_CONV2D_BACKPROP_INPUT), &reason));
  EXPECT_THAT(reason.c_str(), HasSubstr("whole filter"));
}

TEST_F(ChooseKernel, SomeSumOverFewChannelsOnly) {
  Kernel few = kernel_of("few", &middle, 1, 1, true, true);
  few.most_reduced_channels = 64;
  const auto takes = [&](convgrad_op op, int64_t in_channels, int64_t out_channels) {
    const Axis axis = axis_of(8, 1, 8, 1, 1, 0);
    reason.clear();
    return accepts(few, normalize(problem_of(op, 1, axis, axis, in_channels, out_channels)), &reason);
  };
  EXPECT_TRUE(takes(CONVGRAD_OP_CONV2D, 64, 65));
  EXPECT_FALSE(takes(CONVGRAD_OP_CONV2D, 65, 64));
  EXPECT_STREQ(reason.c_str(), "sums over at most 64 channels, the problem has 65");
  EXPECT_TRUE(takes(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 65, 64));
  EXPECT_FALSE(takes(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 64, 65));
}

// Positions that meet padding alone are trimmed, and with one tap they are all that meet any; unless a kernel asked for
// by name gets the problem whole.
TEST_F(ChooseKernel, SomeReadTheInputInPlace) {
  Kernel in_place = kernel_of("in_place", &middle, 1, 0, true, true);
  in_place.reads_input_in_place = 1;
  const auto takes = [&](int64_t in, int64_t out, int64_t stride, int64_t before, bool trim) {
    const Axis axis = axis_of(in, 1, out, stride, 1, before), without = axis_of(9, 1, 9, 1, 1, 0);
    const Problem problem = problem_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, 1, without, axis, 8, 8);
    reason.clear();
    return accepts(in_place, normalize(problem, trim), &reason);
  };
  const Axis padded = axis_of(9, 1, 9, 1, 1, 1), without = axis_of(9, 1, 9, 1, 1, 0);
  EXPECT_FALSE(accepts(
      in_place, normalize(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, 1, padded, without, 8, 8), false), &reason));
  EXPECT_STREQ(reason.c_str(), "reads the input in place, the problem has padding along its height");
  EXPECT_TRUE(takes(9, 9, 1, 0, false));
  EXPECT_TRUE(takes(9, 5, 2, 0, false));
  EXPECT_TRUE(takes(10, 5, 2, -1, false));  // from the second on
  for (const auto &[in, out, stride, before] :
       {std::array<int64_t, 4>{9, 9, 1, 1}, {9, 10, 1, 0}, {9, 6, 2, 0}, {9, 5, 2, -1}}) {
    EXPECT_FALSE(takes(in, out, stride, before, false));
    EXPECT_STREQ(reason.c_str(), "reads the input in place, the problem has padding along its width");
    EXPECT_TRUE(takes(in, out, stride, before, true));
  }
}

// Untrimmed, as above.
TEST_F(ChooseKernel, SomeCountTheInputsRowsWithThePadding) {
  Kernel joins = kernel_of("joins", &middle, 3, 2, true, true);
  joins.joins_phases = 1;
  const auto takes = [&](int64_t above, int64_t left, int64_t channels) {
    const Axis rows = axis_of(9, 3, 4, 2, 1, above), columns = axis_of(9, 3, 4, 2, 1, left);
    reason.clear();
    return accepts(
        joins, normalize(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 1, rows, columns, channels, 8), false), &reason);
  };
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  EXPECT_TRUE(takes(2, 2, 3));
  EXPECT_TRUE(takes(0, most / 2 - 9, 1));
  EXPECT_FALSE(takes(0, most / 2 - 8, 1));
  EXPECT_STREQ(reason.c_str(), "counts the input's columns with the padding, at most 1073741823 of them");
  // Times the step from one to the next: 5 elements from column to column, 9 columns of them from row to row.
  EXPECT_TRUE(takes(0, most / 5 - 9, 5));
  EXPECT_FALSE(takes(0, most / 5 - 8, 5));
  EXPECT_TRUE(takes(most / 45 - 9, 0, 5));
  EXPECT_FALSE(takes(most / 45 - 8, 0, 5));
  EXPECT_STREQ(reason.c_str(), "counts the input's rows with the padding, at most 47721858 of them");
}

TEST_F(ChooseKernel, Dtypes) {
  Normalized problem = conv(56, 3, 1, 64);
  problem.dtype = CONVGRAD_FLOAT16;
  EXPECT_EQ(choose(problem, machine_of(wide_features)), "");
  EXPECT_THAT(reason.c_str(), HasSubstr("no kernel of this build"));
}

}  // namespace
}  // namespace convgrad
