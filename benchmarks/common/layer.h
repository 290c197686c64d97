// A convolution layer of a network, and its two gradients by plain loops, one element at a time.
#pragma once

#include <convgrad/convgrad.h>

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

using Shape = std::array<int64_t, 4>;

struct Layer {
  std::string name;
  convgrad_conv2d_attrs attrs;
  Shape input, filter, output;  // NHWC, HWIO, NHWC
  std::array<int64_t, 2> pads;  // top, left
  int64_t count = 1;            // how often the network has it
};

// The layers of a network in a networks.json whose names contain `substring`, grouped ones last.
// Throws std::runtime_error if the file, the network or the library's answer to a layer is not as it should be.
std::vector<Layer> load_layers(const std::string &path, const std::string &network, int64_t batch,
                               const std::string &substring);

// One entry of a network's layers. Throws as load_layers() does.
Layer parse_layer(const nlohmann::json &entry, int64_t batch);

// FLOPs of either gradient done directly: two for each multiply-add that meets no padding.
double useful_flops(const Layer &layer);

// One element of a result, in double, from float operands.
struct Element {
  double value = 0;
  double magnitude = 0;  // the sum of the products' absolute values
  int64_t terms = 0;     // how many products
};
Element output_at(const Layer &layer, const float *input, const float *filter, const Shape &at);
Element input_gradient_at(const Layer &layer, const float *filter, const float *out_backprop, const Shape &at);
Element filter_gradient_at(const Layer &layer, const float *input, const float *out_backprop, const Shape &at);

// The elements at which a result of this shape is checked: all corners, and some drawn at random.
std::set<Shape> sample_elements(const Shape &shape, std::mt19937 &random);

inline int64_t elements(const Shape &shape) { return shape[0] * shape[1] * shape[2] * shape[3]; }
inline int64_t offset(const Shape &shape, const Shape &at) {
  return ((at[0] * shape[1] + at[1]) * shape[2] + at[2]) * shape[3] + at[3];
}
