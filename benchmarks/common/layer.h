// A convolution layer of a network, and its results by plain loops, one element at a time.
#pragma once

#include <convgrad/convgrad.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "problem/problem.h"

using convgrad::problems::Shape;

inline int64_t elements(const Shape &shape) { return shape[0] * shape[1] * shape[2] * shape[3]; }
inline int64_t offset(const Shape &shape, const Shape &at) {
  return ((at[0] * shape[1] + at[1]) * shape[2] + at[2]) * shape[3] + at[3];
}

// A dense tensor, whose memory stays the caller's.
inline convgrad_tensor view(const Shape &shape, convgrad_dtype dtype, void *data) {
  convgrad_tensor tensor{};
  tensor.data = data;
  tensor.dtype = dtype;
  std::copy(shape.begin(), shape.end(), tensor.shape);
  return tensor;
}

struct Layer {
  std::string name;
  int64_t count = 1;                    // how often the network has it
  convgrad::problems::Problem problem;  // of any op
  Shape input, filter, output;          // NHWC, HWIO, NHWC, whatever lies in memory
  std::array<int64_t, 2> pads;          // top, left

  // Where an element of the input or the output, both NHWC, lies in memory.
  int64_t offset_in_image(const Shape &shape, const Shape &at) const {
    if (problem.data_format == CONVGRAD_NHWC) return offset(shape, at);
    return offset({shape[0], shape[3], shape[1], shape[2]}, {at[0], at[3], at[1], at[2]});
  }
};

// What is read from a file, or holds whatever it says.
struct LayerOptions {
  std::string network;
  std::string substring;  // of the layers' names
  std::optional<int64_t> batch;
  std::optional<convgrad_dtype> dtype;
  std::optional<convgrad_data_format> data_format;
};

// The layers of a network in a file as data/networks.json (build_tools/problems.py describes it), grouped ones last.
// Throws std::runtime_error if the file, the network or the library's answer to a layer is not as it should be.
std::vector<Layer> load_layers(const std::string &path, const LayerOptions &options);

// The layer of a problem; `pads`: where they are known. Throws as load_layers() does.
Layer make_layer(const convgrad::problems::Problem &problem, std::optional<std::array<int64_t, 2>> pads = std::nullopt);

// FLOPs of any operation done directly: two for each multiply-add that meets no padding.
double useful_flops(const Layer &layer);

// One element of a result: of float operands summed up in double, of double ones in long double.
struct Element {
  double value = 0;
  double magnitude = 0;  // the sum of the products' absolute values
  int64_t terms = 0;     // how many products
};
// Of the op's result, from its operands in their order; T is float or double.
template <typename T>
Element element_at(const Layer &layer, convgrad_op op, const T *first, const T *second, const Shape &at);

// The elements at which a result of this shape is checked: all corners, and some drawn at random.
std::set<Shape> sample_elements(const Shape &shape, std::mt19937 &random);
