// A problem's call with tensors wherever a test wants them.
#ifndef CONVGRAD_TESTS_GPU_CALL_H
#define CONVGRAD_TESTS_GPU_CALL_H

#include <array>
#include <string>
#include <vector>

#include "support/run.h"

namespace convgrad::test {

// Of float32: operands, result and what is expected, with the tensors in the host's memory to begin with.
struct Call {
  explicit Call(const std::string &line, uint64_t seed = 5) {
    std::string error;
    problem = parse_problem(line, &error).value();
    const Data data = integer_data(problem, seed);
    const Layouts all = layouts_of(problem);
    layout = {all.first, all.second, all.result};
    expected = data.expected;
    memory[0] = scattered(layout[0], data.first);
    memory[1] = scattered(layout[1], data.second);
    memory[2].assign(static_cast<size_t>(layout[2].span()), kUntouched);
    for (size_t i = 0; i < 3; ++i) tensor[i] = layout[i].tensor(memory[i].data());
  }
  Call(const Call &) = delete;
  Call &operator=(const Call &) = delete;

  convgrad_status run(const convgrad_context *context) {
    const convgrad_conv2d_attrs attrs = problem.attrs();
    switch (problem.op) {
      case CONVGRAD_OP_CONV2D:
        return convgrad_conv2d(context, &attrs, &tensor[0], &tensor[1], &tensor[2]);
      case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
        return convgrad_conv2d_backprop_input(context, &attrs, &tensor[0], &tensor[1], &tensor[2]);
      default:
        return convgrad_conv2d_backprop_filter(context, &attrs, &tensor[0], &tensor[1], &tensor[2]);
    }
  }
  Plan plan(const convgrad_context *context) const {
    const convgrad_conv2d_attrs attrs = problem.attrs();
    convgrad_plan *made = nullptr;
    convgrad_plan_create(context, problem.op, &attrs, &tensor[0], &tensor[1], &tensor[2], &made);
    return Plan(made);
  }
  // Of a result with the layout of memory[2].
  bool is_right(const std::vector<float> &result) const {
    std::vector<float> wanted(result.size(), kUntouched);
    const std::vector<int64_t> offsets = layout[2].offsets();
    for (size_t i = 0; i < offsets.size(); ++i) {
      wanted[static_cast<size_t>(offsets[i])] = static_cast<float>(expected[i]);
    }
    return result == wanted;
  }
  bool is_right() const { return is_right(memory[2]); }
  void clear() { memory[2].assign(memory[2].size(), kUntouched); }
  size_t bytes(size_t i) const { return memory[i].size() * sizeof(float); }

  static constexpr float kUntouched = -12345.0f;
  Problem problem;
  std::array<Layout, 3> layout;
  std::array<std::vector<float>, 3> memory;
  std::array<convgrad_tensor, 3> tensor;
  std::vector<long double> expected;

 private:
  static std::vector<float> scattered(const Layout &layout, const std::vector<double> &values) {
    std::vector<float> memory(static_cast<size_t>(layout.span()), kUntouched);
    const std::vector<int64_t> offsets = layout.offsets();
    for (size_t i = 0; i < offsets.size(); ++i) memory[static_cast<size_t>(offsets[i])] = static_cast<float>(values[i]);
    return memory;
  }
};

// Three ops, a phase that no tap reaches, groups, and tensors with gaps.
inline const char *const kProblems[] = {
    "conv2d n2 h7 w6 c5 r3x3 k4 pSAME",
    "conv2d_backprop_input n2 h7 w6 c5 r3x3 k4 pSAME",
    "conv2d_backprop_filter n2 h7 w6 c5 r3x3 k4 pSAME",
    "conv2d_backprop_input n1 h9 w8 c3 r2x1 k2 s3x2",
    "conv2d n1 h5 w5 c4 r3x3 k6 g2 pSAME NCHW",
    "conv2d_backprop_filter n2 h5 w6 c3 r3x2 k2 pSAME gap3",
};

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_GPU_CALL_H
