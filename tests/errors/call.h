// A call of the API whose arguments a test may spoil.
#ifndef CONVGRAD_TESTS_ERRORS_CALL_H
#define CONVGRAD_TESTS_ERRORS_CALL_H

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "support/guarded_buffer.h"
#include "support/run.h"

namespace convgrad::test {

// What is called: conv2d_transpose is an entry of its own, with the operands of backprop_input in another order.
enum class Function { kConv2d, kBackpropInput, kBackpropFilter, kTranspose };
constexpr Function kFunctions[] = {Function::kConv2d, Function::kBackpropInput, Function::kBackpropFilter,
                                   Function::kTranspose};

inline Problem problem_of(Function f, const std::string &line) {
  std::string error;
  const char *const op = f == Function::kConv2d           ? "conv2d "
                         : f == Function::kBackpropFilter ? "conv2d_backprop_filter "
                                                          : "conv2d_backprop_input ";
  const std::optional<Problem> problem = parse_problem(op + line, &error);
  EXPECT_TRUE(problem) << error;
  return problem.value_or(Problem());
}

// A good call with memory behind it: input [1,5,5,4], filter [3,3,4,6], SAME, so that out_backprop is [1,5,5,6].
struct Call {
  explicit Call(Function f, convgrad_dtype dtype = CONVGRAD_FLOAT32,
                const std::string &line = "n1 h5 w5 c4 r3x3 k6 pSAME")
      : function(f) {
    Problem problem = problem_of(f, line);
    problem.dtype = dtype;
    attrs = problem.attrs();
    const Layouts layouts = layouts_of(problem);
    element = static_cast<size_t>(problems::dtype_info(dtype).bytes);
    // Of another type than float32, whose words these are, they are numbers of some kind.
    memory[0].assign(layouts.first.bytes() / sizeof(float) + kSlack, 1.0f);
    memory[1].assign(layouts.second.bytes() / sizeof(float) + kSlack, 1.0f);
    memory[2].assign(layouts.result.bytes() / sizeof(float) + kSlack, 0.0f);
    first = layouts.first.tensor(memory[0].data());
    second = layouts.second.tensor(memory[1].data());
    result = layouts.result.tensor(memory[2].data());
    if (f == Function::kTranspose) std::swap(first, second);  // input = out_backprop, then the filter
    fill_pattern(memory[2].data(), memory[2].size() * sizeof(float));
  }

  // The image of x, of y, and the filter, whichever argument they are.
  convgrad_tensor &x() { return is_backprop_input() ? result : first; }
  convgrad_tensor &y() {
    return function == Function::kConv2d ? result : function == Function::kTranspose ? first : second;
  }
  convgrad_tensor &filter() {
    return function == Function::kBackpropInput ? first : function == Function::kBackpropFilter ? result : second;
  }
  bool is_backprop_input() const { return function == Function::kBackpropInput || function == Function::kTranspose; }

  // The names that messages use.
  std::string op() const {
    switch (function) {
      case Function::kConv2d:
        return "conv2d";
      case Function::kBackpropInput:
        return "conv2d_backprop_input";
      case Function::kBackpropFilter:
        return "conv2d_backprop_filter";
      default:
        return "conv2d_transpose";
    }
  }
  std::string x_name() const {
    return function == Function::kBackpropInput ? "in_backprop" : function == Function::kTranspose ? "output" : "input";
  }
  std::string y_name() const {
    return function == Function::kConv2d ? "output" : function == Function::kTranspose ? "input" : "out_backprop";
  }
  std::string filter_name() const { return function == Function::kBackpropFilter ? "filter_backprop" : "filter"; }
  std::string name_of(const convgrad_tensor &tensor) {
    return &tensor == &x() ? x_name() : &tensor == &y() ? y_name() : filter_name();
  }

  convgrad_status run(const convgrad_context *context = nullptr) {
    return run(context, &attrs, &first, &second, &result);
  }
  convgrad_status run(const convgrad_context *context, const convgrad_conv2d_attrs *a, const convgrad_tensor *one,
                      const convgrad_tensor *two, const convgrad_tensor *three) {
    switch (function) {
      case Function::kConv2d:
        return convgrad_conv2d(context, a, one, two, three);
      case Function::kBackpropInput:
        return convgrad_conv2d_backprop_input(context, a, one, two, three);
      case Function::kBackpropFilter:
        return convgrad_conv2d_backprop_filter(context, a, one, two, three);
      default:
        return convgrad_conv2d_transpose(context, a, one, two, three);
    }
  }

  // The same as a plan; conv2d_transpose is planned as backprop_input. Never leaves a plan behind.
  convgrad_status plan(bool *left_null = nullptr) {
    const bool transpose = function == Function::kTranspose;
    const convgrad_op op = function == Function::kConv2d           ? CONVGRAD_OP_CONV2D
                           : function == Function::kBackpropFilter ? CONVGRAD_OP_CONV2D_BACKPROP_FILTER
                                                                   : CONVGRAD_OP_CONV2D_BACKPROP_INPUT;
    auto *raw = reinterpret_cast<convgrad_plan *>(this);  // not NULL, so that a failure must set it
    const convgrad_status status = convgrad_plan_create(nullptr, op, &attrs, transpose ? &second : &first,
                                                        transpose ? &first : &second, &result, &raw);
    if (left_null != nullptr) *left_null = raw == nullptr;
    if (status == CONVGRAD_OK) convgrad_plan_destroy(raw);
    return status;
  }

  bool nothing_written() const { return holds_pattern(memory[2].data(), memory[2].size() * sizeof(float)); }

  static constexpr size_t kSlack = 64;
  Function function;
  size_t element;  // bytes
  convgrad_conv2d_attrs attrs;
  convgrad_tensor first, second, result;
  std::vector<float> memory[3];
};

// The call fails with the status, writes nothing, and its text holds every part. So does a plan, where asked.
inline void expect_refused(Call *call, convgrad_status status, const std::vector<std::string> &parts,
                           bool plan_too = true) {
  const convgrad_status got = call->run();
  const std::string text = convgrad_last_error();
  EXPECT_EQ(got, status) << convgrad_status_string(got) << ": " << text;
  EXPECT_TRUE(call->nothing_written()) << text;
  EXPECT_NE(text.find(call->op()), std::string::npos) << "no op in: " << text;
  for (const std::string &part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
  }
  ++tally().problems;
  if (!plan_too) return;
  bool left_null = false;
  EXPECT_EQ(call->plan(&left_null), status) << "as a plan: " << convgrad_last_error();
  EXPECT_TRUE(left_null);
}

inline std::string shape_text(const int64_t (&shape)[4]) {
  std::string text = "[";
  for (int i = 0; i < 4; ++i) text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_ERRORS_CALL_H
