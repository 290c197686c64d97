#include "layer.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace {

using nlohmann::json;

void check(const Layer &layer, convgrad_status status) {
  if (status == CONVGRAD_OK) return;
  throw std::runtime_error(layer.name + ": " + convgrad_status_string(status) + ": " + convgrad_last_error());
}

convgrad_tensor view(const Shape &shape, std::vector<float> &values) {
  convgrad_tensor tensor{};
  tensor.data = values.data();
  std::copy(shape.begin(), shape.end(), tensor.shape);
  return tensor;
}

// Where the attributes put the padding is the library's to say, so it is asked: with one channel, a gradient of 1 at
// output (0, 0) and taps numbered from 1, an input element (h, w) gets the number of tap (r, s) = (h + top, w + left)
// over the dilation.
std::array<int64_t, 2> find_pads(const Layer &layer) {
  const Shape input{1, layer.input[1], layer.input[2], 1}, output{1, layer.output[1], layer.output[2], 1};
  const Shape filter{layer.filter[0], layer.filter[1], 1, 1};
  std::vector<float> x(static_cast<size_t>(elements(input))), w(static_cast<size_t>(elements(filter)));
  std::vector<float> y(static_cast<size_t>(elements(output)));
  for (size_t tap = 0; tap < w.size(); ++tap) w[tap] = static_cast<float>(tap + 1);
  y.at(0) = 1;
  const convgrad_tensor filter_view = view(filter, w), y_view = view(output, y), x_view = view(input, x);
  check(layer, convgrad_conv2d_backprop_input(nullptr, &layer.attrs, &filter_view, &y_view, &x_view));
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == 0) continue;
    const int64_t at = static_cast<int64_t>(i), tap = std::lround(x[i]) - 1;
    return {tap / filter[1] * layer.attrs.dilations[0] - at / input[2],
            tap % filter[1] * layer.attrs.dilations[1] - at % input[2]};
  }
  throw std::runtime_error(layer.name + ": its first window meets no element of the input");
}

// How many (output position, tap) pairs of one dimension lie inside the input.
double pairs_inside(const Layer &layer, size_t dimension) {
  int64_t inside = 0;
  for (int64_t p = 0; p < layer.output[1 + dimension]; ++p)
    for (int64_t r = 0; r < layer.filter[dimension]; ++r) {
      const int64_t h =
          p * layer.attrs.strides[dimension] + r * layer.attrs.dilations[dimension] - layer.pads[dimension];
      inside += h >= 0 && h < layer.input[1 + dimension];
    }
  return static_cast<double>(inside);
}

void add_product(Element &element, float a, float b) {
  const double product = static_cast<double>(a) * b;
  element.value += product;
  element.magnitude += std::fabs(product);
  ++element.terms;
}

}  // namespace

Layer parse_layer(const json &entry, int64_t batch) {
  Layer layer;
  layer.name = entry.at("name").get<std::string>();
  layer.name = layer.name.substr(0, layer.name.find(" ("));  // "out (a remark)" -> "out"
  layer.name.erase(0, layer.name.find(':') + 1);             // "resnet_50:conv1" -> "conv1"
  layer.count = entry.at("count").get<int64_t>();
  const auto input = entry.at("input_hwc").get<std::array<int64_t, 3>>();
  const auto output = entry.at("output_hwc").get<std::array<int64_t, 3>>();
  layer.input = {batch, input[0], input[1], input[2]};
  layer.filter = entry.at("filter_hwio").get<Shape>();

  layer.attrs = convgrad_conv2d_attrs_default();
  for (size_t i = 0; i < 2; ++i) {
    layer.attrs.strides[i] = entry.at("strides").at(i).get<int64_t>();
    layer.attrs.dilations[i] = entry.at("dilations").at(i).get<int64_t>();
  }
  const json &padding = entry.at("padding");
  if (padding == "SAME") {
    layer.attrs.padding = CONVGRAD_SAME;
  } else if (padding == "VALID") {
    layer.attrs.padding = CONVGRAD_VALID;
  } else {
    layer.attrs.padding = CONVGRAD_EXPLICIT;
    for (size_t i = 0; i < 4; ++i) layer.attrs.explicit_paddings[i] = padding.at(1 + i / 2).at(i % 2).get<int64_t>();
  }

  check(layer,
        convgrad_conv2d_output_shape(&layer.attrs, layer.input.data(), layer.filter.data(), layer.output.data()));
  if (layer.output != Shape{batch, output[0], output[1], output[2]})
    throw std::runtime_error(layer.name + ": the library's output shape is not the network's");
  layer.pads = find_pads(layer);
  return layer;
}

std::vector<Layer> load_layers(const std::string &path, const std::string &network, int64_t batch,
                               const std::string &substring) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  const json networks = json::parse(file);
  if (!networks.contains(network)) throw std::runtime_error(path + " has no network " + network);
  std::vector<Layer> layers;
  for (const char *list : {"layers", "grouped_layers"})
    for (const json &entry : networks.at(network).value(list, json::array()))
      if (entry.at("name").get<std::string>().find(substring) != std::string::npos)
        layers.push_back(parse_layer(entry, batch));
  if (layers.empty()) throw std::runtime_error("no layer of " + network + " has '" + substring + "' in its name");
  return layers;
}

double useful_flops(const Layer &layer) {
  return 2.0 * static_cast<double>(layer.input[0]) * static_cast<double>(layer.filter[2] * layer.filter[3]) *
         pairs_inside(layer, 0) * pairs_inside(layer, 1);
}

Element output_at(const Layer &layer, const float *input, const float *filter, const Shape &at) {
  const int64_t *strides = layer.attrs.strides, *dilations = layer.attrs.dilations;
  const int64_t group_out = layer.filter[3] / (layer.input[3] / layer.filter[2]);
  const int64_t first_channel = at[3] / group_out * layer.filter[2];
  Element element;
  for (int64_t r = 0; r < layer.filter[0]; ++r)
    for (int64_t s = 0; s < layer.filter[1]; ++s) {
      const int64_t h = at[1] * strides[0] + r * dilations[0] - layer.pads[0];
      const int64_t w = at[2] * strides[1] + s * dilations[1] - layer.pads[1];
      if (h < 0 || h >= layer.input[1] || w < 0 || w >= layer.input[2]) continue;
      for (int64_t c = 0; c < layer.filter[2]; ++c)
        add_product(element, input[offset(layer.input, {at[0], h, w, first_channel + c})],
                    filter[offset(layer.filter, {r, s, c, at[3]})]);
    }
  return element;
}

Element input_gradient_at(const Layer &layer, const float *filter, const float *out_backprop, const Shape &at) {
  const int64_t *strides = layer.attrs.strides, *dilations = layer.attrs.dilations;
  const int64_t groups = layer.input[3] / layer.filter[2], group_out = layer.filter[3] / groups;
  const int64_t group = at[3] / layer.filter[2];
  Element element;
  for (int64_t r = 0; r < layer.filter[0]; ++r)
    for (int64_t s = 0; s < layer.filter[1]; ++s) {
      const int64_t y = at[1] + layer.pads[0] - r * dilations[0], x = at[2] + layer.pads[1] - s * dilations[1];
      if (y < 0 || x < 0 || y % strides[0] != 0 || x % strides[1] != 0) continue;
      const int64_t p = y / strides[0], q = x / strides[1];
      if (p >= layer.output[1] || q >= layer.output[2]) continue;
      for (int64_t k = group * group_out; k < (group + 1) * group_out; ++k)
        add_product(element, filter[offset(layer.filter, {r, s, at[3] % layer.filter[2], k})],
                    out_backprop[offset(layer.output, {at[0], p, q, k})]);
    }
  return element;
}

Element filter_gradient_at(const Layer &layer, const float *input, const float *out_backprop, const Shape &at) {
  const int64_t *strides = layer.attrs.strides, *dilations = layer.attrs.dilations;
  const int64_t groups = layer.input[3] / layer.filter[2], group_out = layer.filter[3] / groups;
  const int64_t channel = at[3] / group_out * layer.filter[2] + at[2];
  Element element;
  for (int64_t n = 0; n < layer.input[0]; ++n)
    for (int64_t p = 0; p < layer.output[1]; ++p)
      for (int64_t q = 0; q < layer.output[2]; ++q) {
        const int64_t h = p * strides[0] + at[0] * dilations[0] - layer.pads[0];
        const int64_t w = q * strides[1] + at[1] * dilations[1] - layer.pads[1];
        if (h < 0 || h >= layer.input[1] || w < 0 || w >= layer.input[2]) continue;
        add_product(element, input[offset(layer.input, {n, h, w, channel})],
                    out_backprop[offset(layer.output, {n, p, q, at[3]})]);
      }
  return element;
}

std::set<Shape> sample_elements(const Shape &shape, std::mt19937 &random) {
  constexpr int kRandomElements = 64;
  std::set<Shape> chosen;
  for (unsigned corner = 0; corner < 16; ++corner) {
    Shape at;
    for (unsigned i = 0; i < 4; ++i) at[i] = (corner >> i & 1) != 0 ? shape[i] - 1 : 0;
    chosen.insert(at);
  }
  for (int i = 0; i < kRandomElements; ++i) {
    Shape at;
    for (unsigned j = 0; j < 4; ++j) at[j] = static_cast<int64_t>(random() % static_cast<uint64_t>(shape[j]));
    chosen.insert(at);
  }
  return chosen;
}
