// How a result is cut for more threads than its kernel has tasks, for kernels and sizes that are not here.
#include "divide/slices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "example_problem.h"

namespace convgrad {
namespace {

// Tasks of 64 channels by 512 pixels (two images of 256, or 16 rows of 32) or tiles, or by 128 channels; slices in 16
// channels and 8 columns or channels.
Kernel blocked_kernel(convgrad_op op, int taps = 1) {
  Kernel kernel = {};
  kernel.name = "blocked";
  kernel.algorithm = "direct";
  kernel.dtype = CONVGRAD_FLOAT32;
  kernel.packing = {8, 8.0 / taps};
  if (op == CONVGRAD_OP_CONV2D_BACKPROP_FILTER) {
    kernel.task.in_channels = 64, kernel.task.out_channels = 128;
    kernel.slice.in_channels = 16, kernel.slice.out_channels = 8;
  } else {
    kernel.task.channels = 64, kernel.task.columns = kernel.task.rows = 16, kernel.task.images = 2;
    kernel.slice.channels = 16, kernel.slice.columns = 8, kernel.slice.rows = 4, kernel.slice.images = 1;
  }
  return kernel;
}

// The same in tiles of 4 x 4 pixels, 32 a task.
Kernel winograd_kernel(convgrad_op op) {
  Kernel kernel = blocked_kernel(op);
  kernel.algorithm = "winograd_4x4";
  kernel.pixel_tile = 4;
  kernel.packing = {192, 12};
  if (op != CONVGRAD_OP_CONV2D_BACKPROP_FILTER) {
    kernel.task.columns = kernel.task.rows = kernel.task.images = 0;
    kernel.task.tiles = 32;
  }
  return kernel;
}

struct Size {
  int64_t batch, side, taps, stride, in_channels, out_channels;
};

Normalized problem_for(convgrad_op op, const Size &size, int64_t groups = 1) {
  const int64_t out = (size.side + size.stride - 1) / size.stride;
  const Axis axis = axis_of(size.side, size.taps, out, size.stride, 1, size.taps / 2);
  return normalize(problem_of(op, size.batch, axis, axis, size.in_channels, size.out_channels, groups));
}

Slices slices_for(convgrad_op op, const Size &size, int32_t threads) {
  return slices_of(blocked_kernel(op, static_cast<int>(size.taps * size.taps)), problem_for(op, size), 1, threads);
}

// Few tasks; a batch, one image, one row.
const std::vector<Size> kSizes = {{4, 14, 3, 1, 256, 256}, {4, 14, 1, 1, 256, 1024}, {1, 28, 3, 1, 128, 128},
                                  {1, 17, 3, 2, 100, 200}, {3, 9, 1, 2, 512, 77},    {5, 7, 3, 1, 512, 512}};

int64_t elements(const View &view) { return view.size[0] * view.size[1] * view.size[2] * view.size[3]; }

void expect_every_element_in_one(const Normalized &problem, const Slices &slices) {
  const Role result = result_of(problem.op);
  std::vector<int> times(static_cast<size_t>(elements(problem.view[result])));
  for (int64_t i = 0; i < slices.all(); ++i) {
    const View view = slice_of(problem, slices, i).view[result];
    for (int64_t d = 0; d < view.size[3]; ++d) {
      for (int64_t c = 0; c < view.size[2]; ++c) {
        for (int64_t b = 0; b < view.size[1]; ++b) {
          const int64_t row = view.offset + b * view.stride[1] + c * view.stride[2] + d * view.stride[3];
          for (int64_t a = 0; a < view.size[0]; ++a) ++times.at(static_cast<size_t>(row + a * view.stride[0]));
        }
      }
    }
  }
  EXPECT_EQ(std::count(times.begin(), times.end(), 1), static_cast<int64_t>(times.size()))
      << problem.op << " of " << problem.in_channels << " and " << problem.out_channels << " channels";
}

TEST(Slices, EveryElementIsInOne) {
  for (const auto &[op, name, arguments, roles] : kOps) {
    for (const Size &size : kSizes) {
      const Normalized problem = problem_for(op, size);
      for (int32_t threads = 2; threads < 70; threads += 7) {
        expect_every_element_in_one(problem, slices_of(blocked_kernel(op), problem, 1, threads));
        expect_every_element_in_one(problem, slices_of(winograd_kernel(op), problem, 1, threads));
      }
    }
  }
}

TEST(Slices, FewTasksForManyThreads) {
  for (const auto &[op, name, arguments, roles] : kOps) {
    EXPECT_GE(slices_for(op, {4, 14, 3, 1, 256, 256}, 16).all(), 16) << op;
    EXPECT_GE(slices_for(op, {1, 28, 3, 1, 128, 128}, 16).all(), 14) << op;
  }
  EXPECT_GE(slices_for(CONVGRAD_OP_CONV2D, {5, 7, 3, 1, 512, 512}, 16).all(), 16);
  EXPECT_GE(slices_for(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, {4, 14, 1, 1, 256, 1024}, 16).all(), 16);
}

TEST(Slices, NoneWhereTheyGainNothing) {
  for (const auto &[op, name, arguments, roles] : kOps) {
    EXPECT_EQ(slices_for(op, {4, 14, 3, 1, 256, 256}, 1).all(), 1) << "one thread";
    EXPECT_EQ(slices_for(op, {8, 64, 3, 1, 1024, 2048}, 16).all(), 1) << "tasks enough";
    EXPECT_EQ(slices_for(op, {1, 8, 3, 1, 16, 32}, 16).all(), 1) << "too little work";
    const Normalized groups = problem_for(op, {4, 14, 3, 1, 256, 256}, 2);
    EXPECT_EQ(slices_of(blocked_kernel(op), groups, 1, 16).all(), 1) << "groups";
    Kernel unknown = blocked_kernel(op);
    unknown.task = {};
    EXPECT_EQ(slices_of(unknown, problem_for(op, {4, 14, 3, 1, 256, 256}), 1, 16).all(), 1) << "tasks not known";
  }
}

// Sizes that overflow where they are multiplied.
TEST(Slices, AnyStride) {
  constexpr int64_t kFar = int64_t{1} << 30;
  const Axis axis = {5, 3, 5, kFar, kFar, 2 * kFar};
  for (const auto &[op, name, arguments, roles] : kOps) {
    const Normalized problem = normalize(problem_of(op, 4, axis, axis, 300, 900), false);
    const Slices slices = slices_of(blocked_kernel(op), problem, 1, 64);
    EXPECT_GT(slices.all(), 1);
    expect_every_element_in_one(problem, slices);
  }
}

TEST(Slices, AreWholeTiles) {
  for (const auto &[op, name, arguments, roles] : kOps) {
    for (const Size &size : kSizes) {
      const Slices slices = slices_for(op, size, 64);
      if (slices.count[0] > 1) {
        EXPECT_EQ(slices.size[0] % 16, 0);
      }
      if (slices.count[1] > 1 && op == CONVGRAD_OP_CONV2D_BACKPROP_FILTER) {
        EXPECT_EQ(slices.size[1] % 8, 0);
      }
      // Rows in tiles of Winograd's algorithm, columns of a product in register tiles.
      if (slices.count[2] > 1) {
        EXPECT_EQ(slices.size[2] % (size.taps == 1 && size.stride == 1 ? 8 : 4), 0);
      }
    }
  }
  // Images that share a register tile stay together.
  Kernel kernel = blocked_kernel(CONVGRAD_OP_CONV2D);
  kernel.slice.images = 4;
  const Slices slices = slices_of(kernel, problem_for(CONVGRAD_OP_CONV2D, {8, 7, 3, 1, 64, 64}), 1, 64);
  EXPECT_EQ(slices.size[1] % 4, 0);
}

// A filter that a kernel packs whole is packed by each slice, that of its channels.
TEST(Slices, FiltersThatArePackedWhole) {
  Kernel kernel = blocked_kernel(CONVGRAD_OP_CONV2D);
  kernel.packed_filter_channels = 16;
  kernel.task.columns = 784;
  const Slices slices = slices_of(kernel, problem_for(CONVGRAD_OP_CONV2D, {4, 14, 1, 1, 1024, 256}), 1, 64);
  EXPECT_EQ(slices.count[0], 16);
  EXPECT_EQ(slices.count[1] * slices.count[2], 1);
  kernel.task.columns = 224;
  // 16 x 56 tasks are 56 for each thread; slices would pack the image again and again.
  EXPECT_EQ(slices_of(kernel, problem_for(CONVGRAD_OP_CONV2D, {64, 14, 1, 1, 256, 1024}), 1, 16).all(), 1);
}

// A channel grain that no tensor has: nothing is cut there.
TEST(Slices, ChannelsMayHaveToStayTogether) {
  Kernel kernel = blocked_kernel(CONVGRAD_OP_CONV2D_BACKPROP_FILTER);
  kernel.slice.in_channels = 1 << 30;
  const Normalized problem = problem_for(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, {4, 14, 3, 1, 256, 256});
  const Slices slices = slices_of(kernel, problem, 1, 64);
  EXPECT_EQ(slices.count[0], 1);
  EXPECT_GT(slices.count[1], 8);
  expect_every_element_in_one(problem, slices);
}

// Rows of a slice meet the same taps and rows of the other image as before.
TEST(Slices, RowsKeepTheirPlace) {
  const Size size = {1, 40, 3, 2, 64, 64};
  for (const convgrad_op op : {CONVGRAD_OP_CONV2D, CONVGRAD_OP_CONV2D_BACKPROP_INPUT}) {
    const Normalized problem = problem_for(op, size);
    Slices slices;
    slices.size[2] = 8;
    slices.count[2] = op == CONVGRAD_OP_CONV2D ? 3 : 5;
    const Normalized third = slice_of(problem, slices, 2);
    const Axis &axis = third.axis[HEIGHT];
    const View &image = third.view[result_of(op)];
    EXPECT_EQ(image.offset, problem.view[result_of(op)].offset + 16 * image.stride[2]);
    if (op == CONVGRAD_OP_CONV2D) {
      EXPECT_EQ(axis.out, 4);  // of 20
      EXPECT_EQ(axis.before, problem.axis[HEIGHT].before - 16 * 2);
    } else {
      EXPECT_EQ(axis.in, 8);
      EXPECT_EQ(axis.before, problem.axis[HEIGHT].before + 16);
    }
  }
}

TEST(Slices, PartsAreCutTooWhereTheyAreFew) {
  const Normalized problem = problem_for(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, {4, 56, 3, 1, 64, 64});
  const Kernel kernel = blocked_kernel(CONVGRAD_OP_CONV2D_BACKPROP_FILTER);
  EXPECT_EQ(slices_of(kernel, problem, 7, 2).all(), 1);
  EXPECT_GE(7 * slices_of(kernel, problem, 7, 16).all(), 14);
  EXPECT_EQ(slices_of(kernel, problem, 64, 16).all(), 1);
}

}  // namespace
}  // namespace convgrad
