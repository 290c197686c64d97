#include "divide/packed_filter.h"

#include "scratch_layout.h"

namespace convgrad {

Wide packed_filter_bytes(const Kernel &kernel, const Normalized &problem) {
  if (kernel.packed_filter_channels == 0) return 0;
  constexpr Wide kLine = scratch_layout::kLine;
  const bool is_conv2d = problem.op == CONVGRAD_OP_CONV2D;
  const Wide results = is_conv2d ? problem.out_channels : problem.in_channels;
  const Wide reduced = is_conv2d ? problem.in_channels : problem.out_channels;
  const Wide channels =
      (results + kernel.packed_filter_channels - 1) / kernel.packed_filter_channels * kernel.packed_filter_channels;
  const Wide bytes = channels * reduced * kernel.filter[HEIGHT] * kernel.filter[WIDTH] * dtype_size(kernel.dtype);
  // A block for each phase of a strided backprop_input, each with a line for rounding and one that Halide may read
  // behind it.
  const Wide blocks = is_conv2d ? 1 : kernel.stride[HEIGHT] * kernel.stride[WIDTH];
  return scratch_layout::in_lines(bytes) + blocks * (Wide{scratch_layout::kAroundBlock} + 2 * kLine);
}

}  // namespace convgrad
