#include "prepared_call.h"

namespace convgrad {

const Op conv2d_backprop_input_op = {kOps[CONVGRAD_OP_CONV2D_BACKPROP_INPUT], &conv2d_backprop_input_table};

// The same op by the names of the function that it transposes.
const Op conv2d_transpose_op = {
    {CONVGRAD_OP_CONV2D_BACKPROP_INPUT, "conv2d_transpose", {"input", "filter", "output"}, {OUTPUT, FILTER, INPUT}},
    &conv2d_backprop_input_table};

}  // namespace convgrad

convgrad_status convgrad_conv2d_backprop_input(const convgrad_context *ctx, const convgrad_conv2d_attrs *attrs,
                                               const convgrad_tensor *filter, const convgrad_tensor *out_backprop,
                                               const convgrad_tensor *in_backprop) {
  return convgrad::call_op(convgrad::conv2d_backprop_input_op, ctx, attrs, filter, out_backprop, in_backprop);
}

convgrad_status convgrad_conv2d_transpose(const convgrad_context *ctx, const convgrad_conv2d_attrs *attrs,
                                          const convgrad_tensor *input, const convgrad_tensor *filter,
                                          const convgrad_tensor *output) {
  return convgrad::call_op(convgrad::conv2d_transpose_op, ctx, attrs, input, filter, output);
}
