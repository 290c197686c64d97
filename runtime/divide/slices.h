// A kernel's tasks can be fewer than the threads: 256 channels of 14 x 14 pixels are four of its blocks. The result is
// then cut into slices, each computed by a call of its own with one thread. An element is the same sum in any slice
// (where that takes cuts at certain places, Kernel::slice says so), so that the number of threads, which decides how
// many there are, leaves no trace in the bits.
#ifndef CONVGRAD_RUNTIME_DIVIDE_SLICES_H
#define CONVGRAD_RUNTIME_DIVIDE_SLICES_H

#include "kernel_table.h"
#include "normalize.h"

namespace convgrad {

// The ways to cut a result. A filter gradient: its input channels, its output channels. An image: its channels, the
// batch, and each image's rows, or the columns of a single row.
struct Slices {
  static constexpr int kWays = 3;
  int64_t size[kWays] = {0, 0, 0};   // of a slice along each way; the last one may have less
  int64_t count[kWays] = {1, 1, 1};  // along each way; 1: it is not cut

  int64_t all() const { return count[0] * count[1] * count[2]; }
};

// For a kernel on a CPU; each of `parts` (reduction_parts.h) is cut alike. One slice: the kernel's own tasks, or the
// parts, are as good.
Slices slices_of(const Kernel &kernel, const Normalized &problem, int64_t parts, int32_t num_threads);

// Slice `index` of slices.all().
Normalized slice_of(const Normalized &problem, const Slices &slices, int64_t index);

}  // namespace convgrad

#endif
