// The one place that knows how large a convolution's output is and how SAME pads.
#ifndef CONVGRAD_RUNTIME_OUTPUT_SIZE_H
#define CONVGRAD_RUNTIME_OUTPUT_SIZE_H

#include "problem.h"

namespace convgrad {

struct OutputSize {
  Wide out;     // may be negative, and may exceed int64
  Wide before;  // padding before the first row
};

// Sizes are not negative, stride and dilation at least 1, pads not negative.
OutputSize output_size(convgrad_padding padding, int64_t in, int64_t taps, int64_t stride, int64_t dilation,
                       int64_t pad_before, int64_t pad_after);

}  // namespace convgrad

#endif
