#include "output_size.h"

namespace convgrad {

OutputSize output_size(convgrad_padding padding, int64_t in, int64_t taps, int64_t stride, int64_t dilation,
                       int64_t pad_before, int64_t pad_after) {
  const Wide extent = (Wide{taps} - 1) * dilation + 1;
  if (padding == CONVGRAD_SAME) {
    const Wide out = (Wide{in} + stride - 1) / stride;
    const Wide total = (out - 1) * stride + extent - in;
    return {out, total > 0 ? total / 2 : 0};
  }
  return {(Wide{in} + pad_before + pad_after - extent + stride) / stride, pad_before};
}

}  // namespace convgrad
