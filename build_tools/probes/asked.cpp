#include "asked.h"

#include <cstring>
#include <sstream>

#include "validate.h"

namespace convgrad {
namespace {

const Op *const ops[] = {&conv2d_op, &conv2d_backprop_input_op, &conv2d_backprop_filter_op};

convgrad_tensor tensor_of(const int64_t shape[4]) {
  convgrad_tensor tensor = {};
  memcpy(tensor.shape, shape, sizeof tensor.shape);
  return tensor;
}

}  // namespace

bool read_asked(const std::string &line, Asked *asked) {
  std::string padding;
  std::istringstream stream(line);
  stream >> asked->op;
  for (int64_t &size : asked->input) stream >> size;
  for (int64_t &size : asked->filter) stream >> size;
  for (int64_t &stride : asked->attrs.strides) stream >> stride;
  for (int64_t &dilation : asked->attrs.dilations) stream >> dilation;
  stream >> padding;
  if (!stream) return false;
  if (padding == "SAME" || padding == "VALID") {
    asked->attrs.padding = padding == "SAME" ? CONVGRAD_SAME : CONVGRAD_VALID;
    return true;
  }
  asked->attrs.padding = CONVGRAD_EXPLICIT;
  int64_t *pads = asked->attrs.explicit_paddings;
  char comma;
  std::istringstream four(padding);
  four >> pads[0] >> comma >> pads[1] >> comma >> pads[2] >> comma >> pads[3];
  return bool(four);
}

bool ask(const Asked &asked, AskedProblem *problem, std::string *text) {
  problem->op = nullptr;
  for (const Op *candidate : ops) {
    if (asked.op == candidate->info.name) problem->op = candidate;
  }
  if (problem->op == nullptr) {
    *text = "there is no op " + asked.op;
    return false;
  }
  const OpInfo &info = problem->op->info;
  if (convgrad_conv2d_output_shape(&asked.attrs, asked.input, asked.filter, problem->output) != CONVGRAD_OK) {
    *text = convgrad_last_error();
    return false;
  }
  const convgrad_tensor tensor[3] = {tensor_of(asked.input), tensor_of(asked.filter), tensor_of(problem->output)};
  const convgrad_tensor *in_order[3];
  for (int i = 0; i < 3; ++i) in_order[i] = &tensor[info.role[i]];
  if (validate_problem(info, CONVGRAD_HOST, &asked.attrs, in_order, &problem->problem) != CONVGRAD_OK) {
    *text = convgrad_last_error();
    return false;
  }
  return true;
}

}  // namespace convgrad
