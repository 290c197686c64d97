// Shapes, attributes and tensors that unit tests start from and then break in one place.
#ifndef CONVGRAD_TESTS_UNIT_EXAMPLE_PROBLEM_H
#define CONVGRAD_TESTS_UNIT_EXAMPLE_PROBLEM_H

#include <array>
#include <cstdlib>
#include <string>

#include "convgrad/convgrad.h"
#include "problem.h"

namespace convgrad {

using Shape = std::array<int64_t, 4>;

inline convgrad_tensor tensor_of(const Shape &shape) {
  convgrad_tensor tensor = {};
  for (size_t i = 0; i < 4; ++i) tensor.shape[i] = shape[i];
  return tensor;
}

// A problem in NHWC: input [1,5,5,1], filter [3,3,1,2], SAME, so an output of [1,5,5,2].
struct Example {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  convgrad_tensor input = tensor_of({1, 5, 5, 1});
  convgrad_tensor filter = tensor_of({3, 3, 1, 2});
  convgrad_tensor output = tensor_of({1, 5, 5, 2});

  Example() { attrs.padding = CONVGRAD_SAME; }
};

inline const OpInfo conv2d_info = {
    CONVGRAD_OP_CONV2D, "conv2d", {"input", "filter", "output"}, {INPUT, FILTER, OUTPUT}};
inline const OpInfo backprop_input_info = {CONVGRAD_OP_CONV2D_BACKPROP_INPUT,
                                           "conv2d_backprop_input",
                                           {"filter", "out_backprop", "in_backprop"},
                                           {FILTER, OUTPUT, INPUT}};
inline const OpInfo backprop_filter_info = {CONVGRAD_OP_CONV2D_BACKPROP_FILTER,
                                            "conv2d_backprop_filter",
                                            {"input", "out_backprop", "filter_backprop"},
                                            {INPUT, OUTPUT, FILTER}};

// The plainest axis: `before` rows of padding, stride and dilation as given.
inline Axis axis_of(int64_t in, int64_t taps, int64_t out, int64_t stride, int64_t dilation, Wide before) {
  return {in, taps, out, stride, dilation, before};
}

// A problem with dense NHWC tensors and these axes.
inline Problem problem_of(convgrad_op op, int64_t batch, const Axis &height, const Axis &width, int64_t in_channels,
                          int64_t out_channels, int64_t groups = 1) {
  Problem problem = {};
  problem.op = op;
  problem.dtype = CONVGRAD_FLOAT32;
  problem.batch = batch;
  problem.in_channels = in_channels;
  problem.out_channels = out_channels;
  problem.groups = groups;
  problem.axis[HEIGHT] = height;
  problem.axis[WIDTH] = width;
  const int64_t sizes[3][4] = {{in_channels, width.in, height.in, batch},
                               {out_channels, in_channels / groups, width.taps, height.taps},
                               {out_channels, width.out, height.out, batch}};
  for (int role = 0; role < 3; ++role) {
    int64_t stride = 1;
    for (int i = 0; i < 4; ++i) {
      problem.tensor[role].size[i] = sizes[role][i];
      problem.tensor[role].stride[i] = stride;
      stride *= sizes[role][i];
    }
    problem.tensor[role].span = stride * 4;
  }
  return problem;
}

// Sets an environment variable, and puts back what was there.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char *variable, const char *value) : variable_(variable) {
    const char *before = getenv(variable);
    was_set_ = before != nullptr;
    if (was_set_) before_ = before;
    setenv(variable, value, 1);
  }
  ~ScopedEnvironment() {
    if (was_set_) {
      setenv(variable_, before_.c_str(), 1);
    } else {
      unsetenv(variable_);
    }
  }
  ScopedEnvironment(const ScopedEnvironment &) = delete;
  ScopedEnvironment &operator=(const ScopedEnvironment &) = delete;

 private:
  const char *variable_;
  bool was_set_;
  std::string before_;
};

}  // namespace convgrad

#endif
