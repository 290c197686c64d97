// How much scratch a filter takes that is packed whole.
#include "divide/packed_filter.h"

#include <gtest/gtest.h>

#include "choose_kernel.h"
#include "example_problem.h"

namespace convgrad {
namespace {

Kernel packing_kernel(int filter, int stride, int tile) {
  Kernel kernel = {};
  kernel.name = "packing";
  kernel.dtype = CONVGRAD_FLOAT32;
  for (int i = 0; i < 2; ++i) {
    kernel.filter[i] = filter;
    kernel.stride[i] = stride;
  }
  kernel.packed_filter_channels = tile;
  return kernel;
}

Normalized pointwise(convgrad_op op, int64_t in_channels, int64_t out_channels, int64_t stride = 1) {
  const Axis axis = axis_of(8, 1, 8 / stride, stride, 1, 0);
  return normalize(problem_of(op, 1, axis, axis, in_channels, out_channels));
}

TEST(PackedFilter, TilesOfTheResultsChannels) {
  // 17 channels of the result are 2 tiles of 16; a block has four lines of 64 bytes around it.
  const Kernel kernel = packing_kernel(1, 1, 16);
  EXPECT_EQ(packed_filter_bytes(kernel, pointwise(CONVGRAD_OP_CONV2D, 32, 17)), 32 * 32 * 4 + 256);
  EXPECT_EQ(packed_filter_bytes(kernel, pointwise(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 17, 32)), 32 * 32 * 4 + 256);
}

TEST(PackedFilter, WholeCacheLines) {
  EXPECT_EQ(packed_filter_bytes(packing_kernel(1, 1, 4), pointwise(CONVGRAD_OP_CONV2D, 3, 1)), 64 + 256);
}

TEST(PackedFilter, ABlockForEachPhase) {
  EXPECT_EQ(packed_filter_bytes(packing_kernel(1, 2, 16), pointwise(CONVGRAD_OP_CONV2D, 16, 16, 2)), 1024 + 256);
  EXPECT_EQ(packed_filter_bytes(packing_kernel(1, 2, 16), pointwise(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 16, 16, 2)),
            1024 + 4 * 256);
}

TEST(PackedFilter, NoneWherePiecesArePacked) {
  EXPECT_EQ(packed_filter_bytes(packing_kernel(1, 1, 0), pointwise(CONVGRAD_OP_CONV2D, 32, 17)), 0);
}

TEST(PackedFilter, TooLargeForAKernelIsRefused) {
  // The filter of one result channel spans 512 MB, in tiles of 16 it would be 8 GB.
  const Normalized problem = pointwise(CONVGRAD_OP_CONV2D, int64_t{1} << 27, 1);
  Text reason;
  EXPECT_TRUE(accepts(packing_kernel(1, 1, 0), problem, &reason));
  EXPECT_FALSE(accepts(packing_kernel(1, 1, 16), problem, &reason));
  EXPECT_STREQ(reason.c_str(), "packs the filter, whose 8589934848 bytes are more than kernels address");
}

}  // namespace
}  // namespace convgrad
