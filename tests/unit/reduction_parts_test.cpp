// Into how many parts a filter gradient's pixels are dealt out, for kernels and sizes that are not here.
#include "divide/reduction_parts.h"

#include <gtest/gtest.h>

#include "example_problem.h"

namespace convgrad {
namespace {

// Its tasks have 64 input and 128 output channels.
Kernel blocked_kernel() {
  Kernel kernel = {};
  kernel.name = "blocked";
  kernel.dtype = CONVGRAD_FLOAT32;
  kernel.task.in_channels = 64;
  kernel.task.out_channels = 128;
  return kernel;
}

// 3x3, stride 1, SAME; or 1x1, which normalizing folds into one row.
Normalized gradient_of(int64_t batch, int64_t side, int64_t taps, int64_t in_channels, int64_t out_channels,
                       int64_t groups = 1) {
  const Axis axis = axis_of(side, taps, side, 1, 1, taps / 2);
  return normalize(
      problem_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, batch, axis, axis, in_channels, out_channels, groups));
}

int64_t parts_of(const Normalized &problem) { return reduction_parts(blocked_kernel(), problem).count; }

TEST(ReductionParts, RowsOfFewChannels) {
  // 3136 * 4 pixels are 24 times 512, but 11 results are all that a quarter of the operands has room for.
  const ReductionParts parts = reduction_parts(blocked_kernel(), gradient_of(4, 56, 3, 64, 64));
  EXPECT_EQ(parts.axis, HEIGHT);
  EXPECT_EQ(parts.rows, 8);
  EXPECT_EQ(parts.count, 7);
}

TEST(ReductionParts, ColumnsOfAFoldedImage) {
  const ReductionParts parts = reduction_parts(blocked_kernel(), gradient_of(4, 56, 1, 64, 64));
  EXPECT_EQ(parts.axis, WIDTH);
  EXPECT_EQ(parts.rows, 576);
  EXPECT_EQ(parts.count, 22);
}

TEST(ReductionParts, NeverMoreThanTasksForManyCores) {
  const int64_t parts = parts_of(gradient_of(4, 512, 3, 4, 4));
  EXPECT_LE(parts, 64);
  EXPECT_GT(parts, 32);
}

TEST(ReductionParts, EveryRowIsInOnePart) {
  for (int64_t side = 20; side < 90; ++side) {
    const Normalized problem = gradient_of(3, side, 3, 5, 7);
    const ReductionParts parts = reduction_parts(blocked_kernel(), problem);
    EXPECT_GT(parts.rows * parts.count, side - 1) << side;
    EXPECT_LT(parts.rows * (parts.count - 1), side) << side;
  }
}

TEST(ReductionParts, WholeWhereTasksAreManyOrPartsSmall) {
  EXPECT_EQ(parts_of(gradient_of(4, 56, 3, 512, 512)), 1) << "32 tasks";
  EXPECT_EQ(parts_of(gradient_of(4, 14, 3, 64, 128)), 1) << "784 pixels";
  EXPECT_EQ(parts_of(gradient_of(4, 28, 3, 128, 128)), 1) << "no room for results";
  EXPECT_EQ(parts_of(gradient_of(4, 56, 3, 64, 64, 2)), 1) << "groups";
}

TEST(ReductionParts, WholeForOtherKernels) {
  Kernel kernel = blocked_kernel();
  kernel.task = {};
  EXPECT_EQ(reduction_parts(kernel, gradient_of(4, 56, 3, 64, 64)).count, 1);
}

TEST(ReductionParts, ResultsAreWholeCacheLines) {
  EXPECT_EQ(partial_bytes(gradient_of(4, 56, 3, 64, 64)), 9u * 64 * 64 * 4);
  EXPECT_EQ(partial_bytes(gradient_of(4, 56, 1, 3, 3)), 64u);
}

}  // namespace
}  // namespace convgrad
