#include "prepared_call.h"

namespace convgrad {

const Op conv2d_op = {kOps[CONVGRAD_OP_CONV2D], &conv2d_table};

}  // namespace convgrad

convgrad_status convgrad_conv2d(const convgrad_context *ctx, const convgrad_conv2d_attrs *attrs,
                                const convgrad_tensor *input, const convgrad_tensor *filter,
                                const convgrad_tensor *output) {
  return convgrad::call_op(convgrad::conv2d_op, ctx, attrs, input, filter, output);
}
