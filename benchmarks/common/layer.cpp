#include "layer.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <type_traits>

namespace {

using convgrad::problems::Problem;
using nlohmann::json;

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
  const convgrad_tensor filter_view = view(filter, CONVGRAD_FLOAT32, w.data());
  const convgrad_tensor y_view = view(output, CONVGRAD_FLOAT32, y.data());
  const convgrad_tensor x_view = view(input, CONVGRAD_FLOAT32, x.data());
  convgrad_conv2d_attrs attrs = layer.problem.attrs();
  attrs.data_format = CONVGRAD_NHWC;
  if (convgrad_conv2d_backprop_input(nullptr, &attrs, &filter_view, &y_view, &x_view) != CONVGRAD_OK)
    throw std::runtime_error(convgrad_last_error());
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == 0) continue;
    const int64_t at = static_cast<int64_t>(i), tap = std::lround(x[i]) - 1;
    return {tap / filter[1] * attrs.dilations[0] - at / input[2], tap % filter[1] * attrs.dilations[1] - at % input[2]};
  }
  throw std::runtime_error("its first window meets no element of the input");
}

// How many (output position, tap) pairs of one dimension lie inside the input.
double pairs_inside(const Layer &layer, size_t dimension) {
  int64_t inside = 0;
  for (int64_t p = 0; p < layer.output[1 + dimension]; ++p)
    for (int64_t r = 0; r < layer.filter[dimension]; ++r) {
      const int64_t h =
          p * layer.problem.strides[dimension] + r * layer.problem.dilations[dimension] - layer.pads[dimension];
      inside += h >= 0 && h < layer.input[1 + dimension];
    }
  return static_cast<double>(inside);
}

// Float products and their sums in double are nearly exact; those of double operands want more.
template <typename T>
class Sum {
 public:
  void add(T a, T b) {
    const Wide product = static_cast<Wide>(a) * b;
    value_ += product;
    magnitude_ += std::fabs(product);
    ++terms_;
  }
  Element element() const { return {static_cast<double>(value_), static_cast<double>(magnitude_), terms_}; }

 private:
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  Wide value_ = 0, magnitude_ = 0;
  int64_t terms_ = 0;
};

template <typename T>
Element output_at(const Layer &layer, const T *input, const T *filter, const Shape &at) {
  const std::array<int64_t, 2> &strides = layer.problem.strides, &dilations = layer.problem.dilations;
  const int64_t group_out = layer.filter[3] / layer.problem.groups;
  const int64_t first_channel = at[3] / group_out * layer.filter[2];
  Sum<T> sum;
  for (int64_t r = 0; r < layer.filter[0]; ++r)
    for (int64_t s = 0; s < layer.filter[1]; ++s) {
      const int64_t h = at[1] * strides[0] + r * dilations[0] - layer.pads[0];
      const int64_t w = at[2] * strides[1] + s * dilations[1] - layer.pads[1];
      if (h < 0 || h >= layer.input[1] || w < 0 || w >= layer.input[2]) continue;
      for (int64_t c = 0; c < layer.filter[2]; ++c)
        sum.add(input[layer.offset_in_image(layer.input, {at[0], h, w, first_channel + c})],
                filter[offset(layer.filter, {r, s, c, at[3]})]);
    }
  return sum.element();
}

template <typename T>
Element input_gradient_at(const Layer &layer, const T *filter, const T *out_backprop, const Shape &at) {
  const std::array<int64_t, 2> &strides = layer.problem.strides, &dilations = layer.problem.dilations;
  const int64_t group_out = layer.filter[3] / layer.problem.groups;
  const int64_t group = at[3] / layer.filter[2];
  Sum<T> sum;
  for (int64_t r = 0; r < layer.filter[0]; ++r)
    for (int64_t s = 0; s < layer.filter[1]; ++s) {
      const int64_t y = at[1] + layer.pads[0] - r * dilations[0], x = at[2] + layer.pads[1] - s * dilations[1];
      if (y < 0 || x < 0 || y % strides[0] != 0 || x % strides[1] != 0) continue;
      const int64_t p = y / strides[0], q = x / strides[1];
      if (p >= layer.output[1] || q >= layer.output[2]) continue;
      for (int64_t k = group * group_out; k < (group + 1) * group_out; ++k)
        sum.add(filter[offset(layer.filter, {r, s, at[3] % layer.filter[2], k})],
                out_backprop[layer.offset_in_image(layer.output, {at[0], p, q, k})]);
    }
  return sum.element();
}

template <typename T>
Element filter_gradient_at(const Layer &layer, const T *input, const T *out_backprop, const Shape &at) {
  const std::array<int64_t, 2> &strides = layer.problem.strides, &dilations = layer.problem.dilations;
  const int64_t group_out = layer.filter[3] / layer.problem.groups;
  const int64_t channel = at[3] / group_out * layer.filter[2] + at[2];
  Sum<T> sum;
  for (int64_t n = 0; n < layer.input[0]; ++n)
    for (int64_t p = 0; p < layer.output[1]; ++p)
      for (int64_t q = 0; q < layer.output[2]; ++q) {
        const int64_t h = p * strides[0] + at[0] * dilations[0] - layer.pads[0];
        const int64_t w = q * strides[1] + at[1] * dilations[1] - layer.pads[1];
        if (h < 0 || h >= layer.input[1] || w < 0 || w >= layer.input[2]) continue;
        sum.add(input[layer.offset_in_image(layer.input, {n, h, w, channel})],
                out_backprop[layer.offset_in_image(layer.output, {n, p, q, at[3]})]);
      }
  return sum.element();
}

// An entry of a network's layers: what it does not say itself the network may, but for what the options say.
Problem problem_of(const json &network, const json &entry, const LayerOptions &options) {
  const auto said = [&](const char *key, const json &otherwise) {
    return entry.value(key, network.value(key, otherwise));
  };
  const auto input = entry.at("input_hwc").get<std::array<int64_t, 3>>();
  const auto filter = entry.at("filter_hwio").get<Shape>();
  Problem problem;
  problem.batch = options.batch.value_or(said("batch", 1).get<int64_t>());
  problem.in_height = input[0];
  problem.in_width = input[1];
  problem.in_channels = input[2];
  problem.filter_height = filter[0];
  problem.filter_width = filter[1];
  problem.out_channels = filter[3];
  problem.groups = entry.value("groups", 1);
  problem.strides = entry.value("strides", problem.strides);
  problem.dilations = entry.value("dilations", problem.dilations);
  const std::string dtype = said("dtype", "f32");
  const std::optional<convgrad_dtype> known = convgrad::problems::dtype_of_name(dtype);
  if (!known) throw std::runtime_error("there is no dtype " + dtype);
  problem.dtype = options.dtype.value_or(*known);
  problem.data_format =
      options.data_format.value_or(said("data_format", "NHWC") == "NCHW" ? CONVGRAD_NCHW : CONVGRAD_NHWC);
  const json &padding = entry.at("padding");
  problem.padding = padding == "SAME" ? CONVGRAD_SAME : padding == "VALID" ? CONVGRAD_VALID : CONVGRAD_EXPLICIT;
  if (problem.padding == CONVGRAD_EXPLICIT) {
    for (size_t i = 0; i < 4; ++i) problem.explicit_paddings[i] = padding.at(1 + i / 2).at(i % 2).get<int64_t>();
  }
  if (problem.groups < 1 || filter[2] * problem.groups != problem.in_channels)
    throw std::runtime_error("the filter's channels in each group do not make the input's");
  return problem;
}

Layer read_layer(const json &network, const json &entry, const LayerOptions &options) {
  std::string name = entry.at("name").get<std::string>();
  name = name.substr(0, name.find(" ("));  // "out (a remark)" -> "out"
  name.erase(0, name.find(':') + 1);       // "resnet_50:conv1" -> "conv1"
  try {
    Layer layer = make_layer(problem_of(network, entry, options));
    layer.name = name;
    layer.count = entry.value("count", 1);
    const auto output = entry.at("output_hwc").get<std::array<int64_t, 3>>();
    if (layer.output != Shape{layer.input[0], output[0], output[1], output[2]})
      throw std::runtime_error("the library's output shape is not the network's");
    return layer;
  } catch (const std::exception &error) {
    throw std::runtime_error(name + ": " + error.what());
  }
}

}  // namespace

Layer make_layer(const Problem &problem, std::optional<std::array<int64_t, 2>> pads) {
  Layer layer;
  layer.problem = problem;
  layer.problem.data_format = CONVGRAD_NHWC;  // the shapes'
  std::string error;
  const std::optional<convgrad::problems::Shapes> shapes = layer.problem.shapes(&error);
  if (!shapes) throw std::runtime_error(error);
  layer.problem.data_format = problem.data_format;
  layer.input = shapes->input;
  layer.filter = shapes->filter;
  layer.output = shapes->output;
  layer.pads = pads ? *pads : find_pads(layer);
  return layer;
}

std::vector<Layer> load_layers(const std::string &path, const LayerOptions &options) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  const json networks = json::parse(file);
  if (!networks.contains(options.network)) throw std::runtime_error(path + " has no network " + options.network);
  const json &network = networks.at(options.network);
  std::vector<Layer> layers;
  for (const char *list : {"layers", "grouped_layers"})
    for (const json &entry : network.value(list, json::array()))
      if (entry.at("name").get<std::string>().find(options.substring) != std::string::npos)
        layers.push_back(read_layer(network, entry, options));
  if (layers.empty())
    throw std::runtime_error("no layer of " + options.network + " has '" + options.substring + "' in its name");
  return layers;
}

double useful_flops(const Layer &layer) {
  return 2.0 * static_cast<double>(layer.input[0]) * static_cast<double>(layer.filter[2] * layer.filter[3]) *
         pairs_inside(layer, 0) * pairs_inside(layer, 1);
}

template <typename T>
Element element_at(const Layer &layer, convgrad_op op, const T *first, const T *second, const Shape &at) {
  switch (op) {
    case CONVGRAD_OP_CONV2D:
      return output_at(layer, first, second, at);
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return input_gradient_at(layer, first, second, at);
    default:
      return filter_gradient_at(layer, first, second, at);
  }
}
template Element element_at(const Layer &, convgrad_op, const float *, const float *, const Shape &);
template Element element_at(const Layer &, convgrad_op, const double *, const double *, const Shape &);

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
