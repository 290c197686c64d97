#include "validate.h"

#include <cstdint>
#include <cstring>
#include <limits>

#include "last_error.h"
#include "output_size.h"

namespace convgrad {
namespace {

constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();

// Where n or r, h or s, w or c, c or k stand in a shape of the API, in Halide's order of dimensions.
constexpr int kNhwcDimensions[4] = {3, 2, 1, 0};
constexpr int kNchwDimensions[4] = {1, 3, 2, 0};

const int *dimensions_of(Role role, convgrad_data_format format) {
  return role != FILTER && format == CONVGRAD_NCHW ? kNchwDimensions : kNhwcDimensions;
}

const char *padding_name(convgrad_padding padding) {
  static const char *const kNames[] = {"VALID", "SAME", "EXPLICIT"};
  return kNames[padding];
}

const char *format_name(convgrad_data_format format) { return format == CONVGRAD_NCHW ? "NCHW" : "NHWC"; }

// Ends a message about channels. To read a tensor in the other format than it has is the commonest mistake: the
// channels then fit there and not here. `output_shape` NULL: the input's do not.
const char *format_hint(convgrad_data_format format, const int64_t input_shape[4], const int64_t filter_shape[4],
                        const int64_t *output_shape) {
  const int here = dimensions_of(INPUT, format)[0];
  const int there = dimensions_of(INPUT, format == CONVGRAD_NCHW ? CONVGRAD_NHWC : CONVGRAD_NCHW)[0];
  const int64_t channels = input_shape[there], group_channels = filter_shape[2], out_channels = filter_shape[3];
  if (channels < 1 || group_channels < 1 || channels % group_channels != 0) return "";
  if (out_channels % (channels / group_channels) != 0) return "";
  if (output_shape != nullptr && (output_shape[there] != out_channels || output_shape[here] == out_channels)) return "";
  return format == CONVGRAD_NCHW ? "; as NHWC the channels would fit" : "; as NCHW the channels would fit";
}

// The attributes, but for the data format, that an output's shape follows from.
TextOf<208> attrs_text(const convgrad_conv2d_attrs &attrs) {
  TextOf<208> text;
  text.append("strides %s, dilations %s, padding %s", list_text(attrs.strides, 2).c_str(),
              list_text(attrs.dilations, 2).c_str(), padding_name(attrs.padding));
  if (attrs.padding == CONVGRAD_EXPLICIT) text.append(" %s", list_text(attrs.explicit_paddings, 4).c_str());
  return text;
}

convgrad_status validate_pair(const OpInfo &op, const char *name, const int64_t values[2]) {
  for (int i = 0; i < 2; ++i) {
    if (values[i] < 1) {
      return fail(CONVGRAD_INVALID_ARGUMENT, "%s: attrs.%s is %s, expected values of at least 1", op.name, name,
                  list_text(values, 2).c_str());
    }
  }
  return CONVGRAD_OK;
}

// The number of elements; -1 where it exceeds int64.
int64_t element_count(const int64_t shape[4]) {
  int64_t count = 1;
  bool overflow = false;
  for (int i = 0; i < 4; ++i) {
    if (shape[i] == 0) return 0;
    overflow = overflow || __builtin_mul_overflow(count, shape[i], &count);
  }
  return overflow ? -1 : count;
}

// Kinds, shape and strides of one tensor; `result` tensors may not have elements that overlap.
convgrad_status validate_tensor(const OpInfo &op, const char *argument, Role role, convgrad_data_format format,
                                bool result, const convgrad_tensor &given, Tensor *tensor) {
  if (given.dtype < CONVGRAD_FLOAT32 || given.dtype > CONVGRAD_BFLOAT16) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has dtype %d, expected a convgrad_dtype (0 to %d)", op.name,
                argument, given.dtype, CONVGRAD_BFLOAT16);
  }
  if (given.memory < CONVGRAD_HOST || given.memory > CONVGRAD_OPENCL) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has memory %d, expected a convgrad_memory (0 to %d)", op.name,
                argument, given.memory, CONVGRAD_OPENCL);
  }
  if (convgrad_status status = validate_shape(op, argument, given.shape)) return status;
  if (given.byte_offset < 0) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has byte_offset %lld, expected at least 0", op.name, argument,
                static_cast<long long>(given.byte_offset));
  }

  const bool empty = element_count(given.shape) == 0;
  bool dense = true;
  for (int i = 0; i < 4; ++i) dense = dense && given.strides[i] == 0;
  int64_t strides[4] = {0, 0, 0, 0};
  if (!dense) {
    for (int i = 0; i < 4; ++i) {
      if (given.shape[i] > 1 && given.strides[i] < 1) {
        return fail(CONVGRAD_INVALID_ARGUMENT,
                    "%s: %s has strides %s, expected all 0 (dense) or at least 1 wherever shape %s has a size above 1",
                    op.name, argument, shape_text(given.strides).c_str(), shape_text(given.shape).c_str());
      }
      strides[i] = given.strides[i];
    }
  } else if (!empty) {
    int64_t stride = 1;  // cannot overflow: the element count does not
    for (int i = 3; i >= 0; --i) {
      strides[i] = stride;
      stride *= given.shape[i];
    }
  }

  // From the first to behind the last element, in bytes, and the offset before them.
  Wide span = empty ? 0 : 1;
  for (int i = 0; i < 4 && !empty; ++i) {
    const Wide step = (Wide{given.shape[i]} - 1) * (given.shape[i] > 1 ? strides[i] : 0);
    span = step > kInt64Max ? Wide{kInt64Max} : span + step;  // four of them stay far below 2^127
    if (span > kInt64Max) span = kInt64Max;
  }
  if (span * dtype_size(given.dtype) + given.byte_offset > kInt64Max) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "%s: %s has shape %s, strides %s and byte_offset %lld, expected a number of bytes that int64 can hold",
                op.name, argument, shape_text(given.shape).c_str(), shape_text(given.strides).c_str(),
                static_cast<long long>(given.byte_offset));
  }

  if (result && !empty) {
    // Sizes above 1 by ascending stride: each stride must lead behind everything that the smaller ones reach.
    int order[4];
    order_by_stride(strides, order);
    int64_t reach = 1;
    for (int i : order) {
      if (given.shape[i] <= 1) continue;
      if (strides[i] < reach) {
        return fail(CONVGRAD_INVALID_ARGUMENT,
                    "%s: %s has shape %s and strides %s, expected a result whose elements do not overlap", op.name,
                    argument, shape_text(given.shape).c_str(), shape_text(given.strides).c_str());
      }
      reach += (given.shape[i] - 1) * strides[i];
    }
  }

  const int *dimensions = dimensions_of(role, format);
  for (int i = 0; i < 4; ++i) {
    tensor->size[i] = given.shape[dimensions[i]];
    tensor->stride[i] = strides[dimensions[i]];
  }
  tensor->byte_offset = given.byte_offset;
  tensor->memory = given.memory;
  tensor->span = static_cast<int64_t>(span * dtype_size(given.dtype));
  return CONVGRAD_OK;
}

// What the call asks for rightly but nothing in this build can do.
convgrad_status validate_support(const OpInfo &op, convgrad_memory memory, const convgrad_conv2d_attrs &attrs,
                                 const convgrad_tensor *const tensors[3]) {
  static const char *const kMemories[] = {"host", "CUDA", "OpenCL"};
  for (int i = 0; i < 3; ++i) {
    if (tensors[i]->memory != CONVGRAD_HOST && tensors[i]->memory != memory) {
      return fail(CONVGRAD_UNSUPPORTED, "%s: %s is in %s memory; the context takes tensors in host%s%s memory only",
                  op.name, op.argument[i], kMemories[tensors[i]->memory], memory == CONVGRAD_HOST ? "" : " and ",
                  memory == CONVGRAD_HOST ? "" : kMemories[memory]);
    }
  }
  if (attrs.accumulate != 0) {
    return fail(CONVGRAD_UNSUPPORTED, "%s: attrs.accumulate is 1; no kernel of this build adds to its result", op.name);
  }
  return CONVGRAD_OK;
}

}  // namespace

bool is_struct_size(size_t size, const size_t *boundaries, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (size == boundaries[i]) return true;
  }
  return false;
}

convgrad_status validate_shape(const OpInfo &op, const char *argument, const int64_t shape[4]) {
  for (int i = 0; i < 4; ++i) {
    if (shape[i] < 0) {
      return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has shape %s, expected no negative size", op.name, argument,
                  shape_text(shape).c_str());
    }
  }
  if (element_count(shape) < 0) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has shape %s, expected a number of elements that int64 can hold",
                op.name, argument, shape_text(shape).c_str());
  }
  return CONVGRAD_OK;
}

convgrad_status validate_attrs(const OpInfo &op, const convgrad_conv2d_attrs *attrs, convgrad_conv2d_attrs *full) {
  *full = convgrad_conv2d_attrs_default();
  if (attrs == nullptr) return fail(CONVGRAD_INVALID_ARGUMENT, "%s: attrs is NULL", op.name);
  static const size_t kBoundaries[] = {
      offsetof(convgrad_conv2d_attrs, strides),           offsetof(convgrad_conv2d_attrs, dilations),
      offsetof(convgrad_conv2d_attrs, explicit_paddings), offsetof(convgrad_conv2d_attrs, padding),
      offsetof(convgrad_conv2d_attrs, data_format),       offsetof(convgrad_conv2d_attrs, accumulate),
      offsetof(convgrad_conv2d_attrs, reserved),          sizeof(convgrad_conv2d_attrs)};
  if (!is_struct_size(attrs->struct_size, kBoundaries, sizeof kBoundaries / sizeof kBoundaries[0])) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "%s: attrs.struct_size is %zu, expected sizeof(convgrad_conv2d_attrs) of this or an earlier version "
                "(%zu here)",
                op.name, attrs->struct_size, sizeof(convgrad_conv2d_attrs));
  }
  memcpy(full, attrs, attrs->struct_size);
  full->struct_size = sizeof *full;

  if (convgrad_status status = validate_pair(op, "strides", full->strides)) return status;
  if (convgrad_status status = validate_pair(op, "dilations", full->dilations)) return status;
  if (full->padding < CONVGRAD_VALID || full->padding > CONVGRAD_EXPLICIT) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: attrs.padding is %d, expected a convgrad_padding (0 to %d)", op.name,
                full->padding, CONVGRAD_EXPLICIT);
  }
  if (full->data_format < CONVGRAD_NHWC || full->data_format > CONVGRAD_NCHW) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: attrs.data_format is %d, expected a convgrad_data_format (0 to %d)",
                op.name, full->data_format, CONVGRAD_NCHW);
  }
  for (int64_t pad : full->explicit_paddings) {
    if (pad < 0) {
      return fail(CONVGRAD_INVALID_ARGUMENT, "%s: attrs.explicit_paddings is %s, expected no negative padding", op.name,
                  list_text(full->explicit_paddings, 4).c_str());
    }
    if (pad > 0 && full->padding != CONVGRAD_EXPLICIT) {
      return fail(CONVGRAD_INVALID_ARGUMENT,
                  "%s: attrs.explicit_paddings is %s, expected all 0 because attrs.padding is %s, not EXPLICIT",
                  op.name, list_text(full->explicit_paddings, 4).c_str(), padding_name(full->padding));
    }
  }
  if (full->accumulate != 0 && full->accumulate != 1) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: attrs.accumulate is %d, expected 0 or 1", op.name, full->accumulate);
  }
  if (full->reserved != 0) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: attrs.reserved is %d, expected 0", op.name, full->reserved);
  }
  return CONVGRAD_OK;
}

convgrad_status infer_output_shape(const OpInfo &op, const convgrad_conv2d_attrs &attrs, const int64_t input_shape[4],
                                   const int64_t filter_shape[4], int64_t output_shape[4], Problem *problem) {
  const char *input = op.argument_of(INPUT);
  const char *filter = op.argument_of(FILTER);
  if (convgrad_status status = validate_shape(op, input, input_shape)) return status;
  if (convgrad_status status = validate_shape(op, filter, filter_shape)) return status;

  const int *image = dimensions_of(INPUT, attrs.data_format);
  const int64_t in_channels = input_shape[image[0]];
  const int64_t group_channels = filter_shape[2];
  const int64_t out_channels = filter_shape[3];
  const char *format = format_name(attrs.data_format);
  const auto hint = [&] { return format_hint(attrs.data_format, input_shape, filter_shape, nullptr); };
  if (in_channels < 1) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has shape %s read as %s, expected at least 1 channel%s", op.name,
                input, shape_text(input_shape).c_str(), format, hint());
  }
  if (group_channels < 1) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has shape %s, expected at least 1 input channel (its third size)",
                op.name, filter, shape_text(filter_shape).c_str());
  }
  if (in_channels % group_channels != 0) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "%s: %s has shape %s, expected input channels (its third size, %lld) that divide the %lld channels of "
                "%s %s read as %s%s",
                op.name, filter, shape_text(filter_shape).c_str(), static_cast<long long>(group_channels),
                static_cast<long long>(in_channels), input, shape_text(input_shape).c_str(), format, hint());
  }
  const int64_t groups = in_channels / group_channels;
  if (out_channels % groups != 0) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "%s: %s has shape %s, expected output channels (its last size, %lld) that the %lld groups divide which "
                "follow from the %lld channels of %s %s read as %s%s",
                op.name, filter, shape_text(filter_shape).c_str(), static_cast<long long>(out_channels),
                static_cast<long long>(groups), static_cast<long long>(in_channels), input,
                shape_text(input_shape).c_str(), format, hint());
  }

  int64_t shape[4];
  shape[image[0]] = out_channels;
  shape[image[3]] = input_shape[image[3]];
  for (int i = 0; i < 2; ++i) {
    const int dimension = image[image_dimension(i)];
    const int64_t in = input_shape[dimension];
    const int64_t *pads = &attrs.explicit_paddings[2 * i];
    const OutputSize size =
        output_size(attrs.padding, in, filter_shape[i], attrs.strides[i], attrs.dilations[i], pads[0], pads[1]);
    if (size.out < 0 || size.out > kInt64Max) {
      TextOf<24> value;
      if (size.out >= -Wide{kInt64Max} && size.out < 0) {
        value.append("%lld", static_cast<long long>(size.out));
      } else {
        value.append("%s", size.out < 0 ? "below -2^63" : "above 2^63");
      }
      return fail(CONVGRAD_INVALID_ARGUMENT,
                  "%s: %s has shape %s, expected one for which %s %s read as %s has an output; with %s the output's %s "
                  "would be %s",
                  op.name, filter, shape_text(filter_shape).c_str(), input, shape_text(input_shape).c_str(), format,
                  attrs_text(attrs).c_str(), i == HEIGHT ? "height" : "width", value.c_str());
    }
    shape[dimension] = static_cast<int64_t>(size.out);
    problem->axis[i] = {in, filter_shape[i], shape[dimension], attrs.strides[i], attrs.dilations[i], size.before};
  }
  problem->op = op.op;
  problem->batch = shape[image[3]];
  problem->in_channels = in_channels;
  problem->out_channels = out_channels;
  problem->groups = groups;
  memcpy(output_shape, shape, sizeof shape);
  return CONVGRAD_OK;
}

convgrad_status validate_problem(const OpInfo &op, convgrad_memory memory, const convgrad_conv2d_attrs *attrs,
                                 const convgrad_tensor *const tensors[3], Problem *problem) {
  convgrad_conv2d_attrs full;
  if (convgrad_status status = validate_attrs(op, attrs, &full)) return status;
  for (int i = 0; i < 3; ++i) {
    if (tensors[i] == nullptr) return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s is NULL", op.name, op.argument[i]);
  }
  const convgrad_tensor *by_role[3];
  for (int i = 0; i < 3; ++i) {
    const Role role = op.role[i];
    by_role[role] = tensors[i];
    if (convgrad_status status =
            validate_tensor(op, op.argument[i], role, full.data_format, i == 2, *tensors[i], &problem->tensor[role])) {
      return status;
    }
  }
  for (int i = 1; i < 3; ++i) {
    if (tensors[i]->dtype != tensors[0]->dtype) {
      return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has dtype %s, expected %s, the dtype of %s", op.name,
                  op.argument[i], kDtypes[tensors[i]->dtype].name, kDtypes[tensors[0]->dtype].name, op.argument[0]);
    }
  }
  problem->dtype = tensors[0]->dtype;
  int64_t expected[4];
  if (convgrad_status status =
          infer_output_shape(op, full, by_role[INPUT]->shape, by_role[FILTER]->shape, expected, problem)) {
    return status;
  }
  if (memcmp(expected, by_role[OUTPUT]->shape, sizeof expected) != 0) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "%s: %s has shape %s, expected %s, which follows from %s %s read as %s, %s %s, %s%s", op.name,
                op.argument_of(OUTPUT), shape_text(by_role[OUTPUT]->shape).c_str(), shape_text(expected).c_str(),
                op.argument_of(INPUT), shape_text(by_role[INPUT]->shape).c_str(), format_name(full.data_format),
                op.argument_of(FILTER), shape_text(by_role[FILTER]->shape).c_str(), attrs_text(full).c_str(),
                format_hint(full.data_format, by_role[INPUT]->shape, by_role[FILTER]->shape, by_role[OUTPUT]->shape));
  }
  return validate_support(op, memory, full, tensors);
}

}  // namespace convgrad
