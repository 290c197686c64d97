#include <cstring>

#include "last_error.h"
#include "validate.h"

convgrad_status convgrad_conv2d_output_shape(const convgrad_conv2d_attrs *attrs, const int64_t input_shape[4],
                                             const int64_t filter_shape[4], int64_t output_shape[4]) {
  using namespace convgrad;
  static const OpInfo info = {CONVGRAD_OP_CONV2D,
                              "conv2d_output_shape",
                              {"input_shape", "filter_shape", "output_shape"},
                              {INPUT, FILTER, OUTPUT}};
  convgrad_conv2d_attrs full;
  if (convgrad_status status = validate_attrs(info, attrs, &full)) return status;
  const int64_t *const shapes[3] = {input_shape, filter_shape, output_shape};
  for (int i = 0; i < 3; ++i) {
    if (shapes[i] == nullptr) return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s is NULL", info.name, info.argument[i]);
  }
  Problem problem;
  int64_t inferred[4];
  if (convgrad_status status = infer_output_shape(info, full, input_shape, filter_shape, inferred, &problem)) {
    return status;
  }
  if (convgrad_status status = validate_shape(info, info.argument[2], inferred)) return status;
  memcpy(output_shape, inferred, sizeof inferred);
  return CONVGRAD_OK;
}
