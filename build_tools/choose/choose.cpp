// usage: convgrad_choose TARGET HARDWARE STRICT <problems
//
// Reads problems, one a line:
//   OP  N H W C  R S CF K  SH SW  DH DW  SAME|VALID|TOP,BOTTOM,LEFT,RIGHT
// with the op's name, the sizes of input and filter, strides, dilations and padding, and prints for each
//   P Q TOP LEFT KERNEL  the output's height and width, the rows and columns of zeros before the input, and the kernel that
//                        convgrad takes on a machine of that target whose hardware has that name ("any": of no name);
//                        "-": nothing is to be computed
//   ! TEXT               what is wrong with the problem
// STRICT is 1 for a strict context, else 0.
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>

#include "choose_kernel.h"
#include "last_error.h"
#include "prepared_call.h"
#include "validate.h"

namespace {

using namespace convgrad;

const Op *const ops[] = {&conv2d_op, &conv2d_backprop_input_op, &conv2d_backprop_filter_op};

struct Asked {
  std::string op, padding;
  int64_t input[4], filter[4];
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
};

bool read(const std::string &line, Asked *asked) {
  std::istringstream stream(line);
  stream >> asked->op;
  for (int64_t &size : asked->input) stream >> size;
  for (int64_t &size : asked->filter) stream >> size;
  for (int64_t &stride : asked->attrs.strides) stream >> stride;
  for (int64_t &dilation : asked->attrs.dilations) stream >> dilation;
  stream >> asked->padding;
  if (!stream) return false;
  int64_t *pads = asked->attrs.explicit_paddings;
  if (asked->padding == "SAME" || asked->padding == "VALID") {
    asked->attrs.padding = asked->padding == "SAME" ? CONVGRAD_SAME : CONVGRAD_VALID;
    return true;
  }
  asked->attrs.padding = CONVGRAD_EXPLICIT;
  char comma;
  std::istringstream four(asked->padding);
  four >> pads[0] >> comma >> pads[1] >> comma >> pads[2] >> comma >> pads[3];
  return bool(four);
}

convgrad_tensor tensor_of(const int64_t shape[4]) {
  convgrad_tensor tensor = {};
  memcpy(tensor.shape, shape, sizeof tensor.shape);
  return tensor;
}

// False: `text` says what is wrong.
bool choose(const Asked &asked, const Machine &machine, const Choice &choice, std::string *text) {
  const Op *op = nullptr;
  for (const Op *candidate : ops) {
    if (asked.op == candidate->info.name) op = candidate;
  }
  if (op == nullptr) {
    *text = "there is no op " + asked.op;
    return false;
  }
  int64_t output[4];
  if (convgrad_conv2d_output_shape(&asked.attrs, asked.input, asked.filter, output) != CONVGRAD_OK) {
    *text = convgrad_last_error();
    return false;
  }
  convgrad_tensor tensor[3] = {tensor_of(asked.input), tensor_of(asked.filter), tensor_of(output)};
  const convgrad_tensor *in_order[3];
  for (int i = 0; i < 3; ++i) in_order[i] = &tensor[op->info.role[i]];
  Problem problem;
  if (validate_problem(op->info, CONVGRAD_HOST, &asked.attrs, in_order, &problem) != CONVGRAD_OK) {
    *text = convgrad_last_error();
    return false;
  }
  const Normalized normalized = normalize(problem);
  const Kernel *kernel = nullptr;
  if (normalized.run) {
    Text reason;
    if (fits_int32(normalized, op->info, &reason)) {
      kernel = choose_kernel(normalized, *op->table, machine, choice, nullptr, &reason);
    }
    if (kernel == nullptr) {
      *text = reason.c_str();
      return false;
    }
  }
  const int64_t numbers[] = {output[1], output[2], static_cast<int64_t>(problem.axis[HEIGHT].before),
                             static_cast<int64_t>(problem.axis[WIDTH].before)};
  text->clear();
  for (const int64_t number : numbers) *text += std::to_string(number) + " ";
  *text += kernel == nullptr ? "-" : kernel->name;
  return true;
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 4) {
    std::cerr << "usage: convgrad_choose TARGET HARDWARE STRICT <problems\n";
    return 2;
  }
  const Target *target = find_target(arguments[1]);
  if (target == nullptr) {
    std::cerr << "convgrad_choose: no target " << arguments[1] << "; there are " << target_names().c_str() << "\n";
    return 2;
  }
  const bool is_any = strcmp(arguments[2], "any") == 0;
  const Machine machine = {target->features, {"", 0, 0}, is_any ? nullptr : arguments[2]};
  const Choice choice = {target, nullptr, strcmp(arguments[3], "1") == 0};
  for (std::string line; std::getline(std::cin, line);) {
    Asked asked;
    std::string text = "expected OP, 4 + 4 sizes, strides, dilations and padding, not \"" + line + "\"";
    const bool chosen = read(line, &asked) && choose(asked, machine, choice, &text);
    std::cout << (chosen ? "" : "! ") << text << "\n";
  }
  return 0;
}
