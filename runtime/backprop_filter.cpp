#include "prepared_call.h"

namespace convgrad {

const Op conv2d_backprop_filter_op = {kOps[CONVGRAD_OP_CONV2D_BACKPROP_FILTER], &conv2d_backprop_filter_table};

}  // namespace convgrad

convgrad_status convgrad_conv2d_backprop_filter(const convgrad_context *ctx, const convgrad_conv2d_attrs *attrs,
                                                const convgrad_tensor *input, const convgrad_tensor *out_backprop,
                                                const convgrad_tensor *filter_backprop) {
  return convgrad::call_op(convgrad::conv2d_backprop_filter_op, ctx, attrs, input, out_backprop, filter_backprop);
}
