// What both examples need besides the library: a tensor that owns its numbers, and a check of the status.
#pragma once

#include <convgrad/convgrad.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

using Shape = std::array<int64_t, 4>;

// Every call answers with a status; the text says which argument was wrong, its value, and what was expected.
inline void check(convgrad_status status) {
  if (status == CONVGRAD_OK) return;
  std::fprintf(stderr, "%s: %s\n", convgrad_status_string(status), convgrad_last_error());
  std::exit(2);
}

// A dense float tensor, last index fastest. Images are [n, h, w, c] (NHWC), filters [r, s, c, k] (HWIO).
struct Tensor {
  Shape shape;
  std::vector<float> values;

  explicit Tensor(const Shape &s) : shape(s), values(static_cast<size_t>(s[0] * s[1] * s[2] * s[3])) {}

  float &at(int64_t i, int64_t j, int64_t k, int64_t l) {
    return values[static_cast<size_t>(((i * shape[1] + j) * shape[2] + k) * shape[3] + l)];
  }

  // What the library is handed: it borrows the numbers for the length of a call.
  convgrad_tensor view() {
    convgrad_tensor tensor{};  // zero first: strides all 0 mean dense
    tensor.data = values.data();
    tensor.dtype = CONVGRAD_FLOAT32;
    std::copy(shape.begin(), shape.end(), tensor.shape);
    return tensor;
  }
};

// Numbers in [-1, 1), the same on every machine.
inline Tensor random_tensor(const Shape &shape, std::mt19937 &random) {
  Tensor tensor(shape);
  for (float &value : tensor.values) value = static_cast<float>(random() >> 8) / static_cast<float>(1 << 23) - 1.0f;
  return tensor;
}

// The output's shape is the library's to say.
inline Shape output_shape(const convgrad_conv2d_attrs &attrs, const Tensor &input, const Tensor &filter) {
  Shape shape;
  check(convgrad_conv2d_output_shape(&attrs, input.shape.data(), filter.shape.data(), shape.data()));
  return shape;
}

// The sum of products, in double.
inline double dot(const Tensor &a, const Tensor &b) {
  double sum = 0;
  for (size_t i = 0; i < a.values.size(); ++i) sum += static_cast<double>(a.values[i]) * b.values[i];
  return sum;
}
