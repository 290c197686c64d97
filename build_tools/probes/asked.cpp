#include "asked.h"

#include <algorithm>

#include "validate.h"

namespace convgrad {

bool ask(const std::string &line, Asked *asked, std::string *error) {
  const std::optional<problems::Problem> given = problems::parse_problem(line, error);
  if (!given) return false;
  const std::optional<problems::Shapes> shapes = given->shapes(error);
  if (!shapes) return false;
  convgrad_tensor tensor[3] = {};
  const convgrad_tensor *in_order[3];
  for (int i = 0; i < 3; ++i) {
    const problems::Shape &shape = shapes->argument(given->op, i);
    std::copy(shape.begin(), shape.end(), tensor[i].shape);
    tensor[i].dtype = given->dtype;
    in_order[i] = &tensor[i];
  }
  asked->given = *given;
  for (const Op *op : {&conv2d_op, &conv2d_backprop_input_op, &conv2d_backprop_filter_op}) {
    if (op->info.op == given->op) asked->op = op;
  }
  const convgrad_conv2d_attrs attrs = given->attrs();
  if (validate_problem(asked->op->info, CONVGRAD_HOST, &attrs, in_order, &asked->problem) == CONVGRAD_OK) return true;
  *error = convgrad_last_error();
  return false;
}

}  // namespace convgrad
