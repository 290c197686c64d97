// A program in C++ that knows convgrad only as it is installed: <dy, conv(x, w)> = <dx, x> = <dw, w>.
#include <convgrad/convgrad.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace {

struct Tensor {
  std::array<int64_t, 4> shape;
  std::vector<float> values;

  Tensor(std::array<int64_t, 4> s, int seed) : shape(s), values(static_cast<size_t>(s[0] * s[1] * s[2] * s[3])) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>((i * 7 + static_cast<size_t>(seed)) % 9) - 4;
  }
  convgrad_tensor view() {
    convgrad_tensor tensor{};
    tensor.data = values.data();
    for (size_t i = 0; i < 4; ++i) tensor.shape[i] = shape[i];
    return tensor;
  }
  double dot(const Tensor &other) const {
    return std::inner_product(values.begin(), values.end(), other.values.begin(), 0.0);
  }
};

void check(convgrad_status status) {
  if (status == CONVGRAD_OK) return;
  std::fprintf(stderr, "%s: %s\n", convgrad_status_string(status), convgrad_last_error());
  std::exit(EXIT_FAILURE);
}

}  // namespace

int main() {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = CONVGRAD_SAME;
  attrs.strides[0] = attrs.strides[1] = 2;
  Tensor input({2, 13, 11, 5}, 1), filter({3, 3, 5, 19}, 2);
  std::array<int64_t, 4> shape{};
  check(convgrad_conv2d_output_shape(&attrs, input.shape.data(), filter.shape.data(), shape.data()));
  Tensor output(shape, 3), out_backprop(shape, 4), d_input(input.shape, 5), d_filter(filter.shape, 6);
  const convgrad_tensor x = input.view(), w = filter.view(), y = output.view(), dy = out_backprop.view();
  const convgrad_tensor dx = d_input.view(), dw = d_filter.view();
  check(convgrad_conv2d(nullptr, &attrs, &x, &w, &y));
  check(convgrad_conv2d_backprop_input(nullptr, &attrs, &w, &dy, &dx));
  check(convgrad_conv2d_backprop_filter(nullptr, &attrs, &x, &dy, &dw));

  const double by_output = output.dot(out_backprop), by_input = d_input.dot(input), by_filter = d_filter.dot(filter);
  std::printf("convgrad %s, C++: %.0f, %.0f, %.0f\n", convgrad_version(), by_output, by_input, by_filter);
  // Integers: exact. Not zero, or it would say nothing.
  return by_output != 0 && by_output == by_input && by_output == by_filter ? EXIT_SUCCESS : EXIT_FAILURE;
}
