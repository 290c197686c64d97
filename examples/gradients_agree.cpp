// Both gradients of one convolution, each found in several ways that have to agree:
//
//   d_input   convgrad_conv2d_backprop_input
//             convgrad_conv2d with full padding, the filter turned by 180 degrees and its channels swapped
//             convgrad_conv2d_transpose
//             finite differences
//   d_filter  convgrad_conv2d_backprop_filter
//             convgrad_conv2d with batch and channel axes exchanged
//             finite differences
//
// Exits with 0 if they do.
#include "tensor.h"

namespace {

// Uneven on purpose: a gradient that mixes up height and width, or the two sides of the padding, disagrees here.
constexpr int64_t kBatch = 2, kHeight = 9, kWidth = 8, kInChannels = 3;
constexpr int64_t kFilterHeight = 3, kFilterWidth = 4, kOutChannels = 5;
constexpr int64_t kTop = 1, kBottom = 0, kLeft = 2, kRight = 1;

convgrad_conv2d_attrs padded(int64_t top, int64_t bottom, int64_t left, int64_t right) {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();  // stride 1, dilation 1, NHWC
  attrs.padding = CONVGRAD_EXPLICIT;
  attrs.explicit_paddings[0] = top;
  attrs.explicit_paddings[1] = bottom;
  attrs.explicit_paddings[2] = left;
  attrs.explicit_paddings[3] = right;
  return attrs;
}

// ctx is NULL in every call here: the library's own choices.
Tensor conv2d(const convgrad_conv2d_attrs &attrs, Tensor &input, Tensor &filter) {
  Tensor output(output_shape(attrs, input, filter));
  const convgrad_tensor x = input.view(), w = filter.view(), y = output.view();
  check(convgrad_conv2d(nullptr, &attrs, &x, &w, &y));
  return output;
}

// w[r,s,c,k] -> w[R-1-r, S-1-s, k, c]
Tensor turned_with_channels_swapped(Tensor &filter) {
  const auto [height, width, in_channels, out_channels] = filter.shape;
  Tensor turned({height, width, out_channels, in_channels});
  for (int64_t r = 0; r < height; ++r)
    for (int64_t s = 0; s < width; ++s)
      for (int64_t c = 0; c < in_channels; ++c)
        for (int64_t k = 0; k < out_channels; ++k)
          turned.at(height - 1 - r, width - 1 - s, k, c) = filter.at(r, s, c, k);
  return turned;
}

// Axis i of the result is axis order[i] of the tensor.
Tensor transposed(Tensor &tensor, const std::array<int, 4> &order) {
  const Shape &from = tensor.shape;
  Tensor result({from[order[0]], from[order[1]], from[order[2]], from[order[3]]});
  Shape at;
  for (at[0] = 0; at[0] < from[0]; ++at[0])
    for (at[1] = 0; at[1] < from[1]; ++at[1])
      for (at[2] = 0; at[2] < from[2]; ++at[2])
        for (at[3] = 0; at[3] < from[3]; ++at[3])
          result.at(at[order[0]], at[order[1]], at[order[2]], at[order[3]]) = tensor.at(at[0], at[1], at[2], at[3]);
  return result;
}

// The gradient of loss = sum(conv2d(input, filter) * out_backprop) by `variable`, one element at a time.
// The loss is linear in the input and in the filter, so a big step costs no accuracy.
Tensor finite_differences(const convgrad_conv2d_attrs &attrs, Tensor &input, Tensor &filter, const Tensor &out_backprop,
                          Tensor &variable) {
  constexpr float kStep = 1.0f;
  Tensor gradient(variable.shape);
  for (size_t i = 0; i < variable.values.size(); ++i) {
    const float value = variable.values[i];
    variable.values[i] = value + kStep;
    const double above = dot(conv2d(attrs, input, filter), out_backprop);
    variable.values[i] = value - kStep;
    const double below = dot(conv2d(attrs, input, filter), out_backprop);
    variable.values[i] = value;
    gradient.values[i] = static_cast<float>((above - below) / (2 * kStep));
  }
  return gradient;
}

bool agree(const char *what, const Tensor &a, const Tensor &b) {
  constexpr double kTolerance = 1e-5;  // of the largest value: some ten float roundings
  double largest = 0, difference = 0;
  bool equal = a.shape == b.shape;
  for (size_t i = 0; equal && i < a.values.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a.values[i])));
    const double d = std::fabs(static_cast<double>(a.values[i]) - b.values[i]);
    difference = std::max(difference, d);
    equal = !std::isnan(d);  // max() would lose it
  }
  equal = equal && largest > 0 && difference <= kTolerance * largest;
  std::printf("%-72s largest difference %8.2e of %.3f  %s\n", what, difference, largest, equal ? "ok" : "DISAGREES");
  return equal;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  Tensor input = random_tensor({kBatch, kHeight, kWidth, kInChannels}, random);
  Tensor filter = random_tensor({kFilterHeight, kFilterWidth, kInChannels, kOutChannels}, random);
  const convgrad_conv2d_attrs attrs = padded(kTop, kBottom, kLeft, kRight);
  Tensor out_backprop = random_tensor(output_shape(attrs, input, filter), random);

  const convgrad_tensor x = input.view(), w = filter.view(), dy = out_backprop.view();
  bool all = true;

  // The gradient by the input. Its shape has to be given: out_backprop's does not imply it when there are strides.
  Tensor d_input(input.shape);
  const convgrad_tensor dx = d_input.view();
  check(convgrad_conv2d_backprop_input(nullptr, &attrs, &w, &dy, &dx));

  Tensor turned = turned_with_channels_swapped(filter);
  const convgrad_conv2d_attrs full = padded(kFilterHeight - 1 - kTop, kFilterHeight - 1 - kBottom,
                                            kFilterWidth - 1 - kLeft, kFilterWidth - 1 - kRight);
  all &= agree("d_input: backprop_input, conv2d of the turned filter", d_input, conv2d(full, out_backprop, turned));

  Tensor d_input_transpose(input.shape);
  const convgrad_tensor dx_transpose = d_input_transpose.view();
  check(convgrad_conv2d_transpose(nullptr, &attrs, &dy, &w, &dx_transpose));
  all &= agree("d_input: backprop_input, conv2d_transpose", d_input, d_input_transpose);

  all &= agree("d_input: backprop_input, finite differences", d_input,
               finite_differences(attrs, input, filter, out_backprop, input));

  // The gradient by the filter.
  Tensor d_filter(filter.shape);
  const convgrad_tensor dw = d_filter.view();
  check(convgrad_conv2d_backprop_filter(nullptr, &attrs, &x, &dy, &dw));

  Tensor channels_as_batch = transposed(input, {3, 1, 2, 0});                // [c, h, w, n]
  Tensor gradient_as_filter = transposed(out_backprop, {1, 2, 0, 3});        // [p, q, n, k]
  Tensor correlated = conv2d(attrs, channels_as_batch, gradient_as_filter);  // [c, r, s, k]
  all &= agree("d_filter: backprop_filter, conv2d with batch and channels exchanged", d_filter,
               transposed(correlated, {1, 2, 0, 3}));

  all &= agree("d_filter: backprop_filter, finite differences", d_filter,
               finite_differences(attrs, input, filter, out_backprop, filter));

  std::printf("convgrad %s: %s\n", convgrad_version(), all ? "all gradients agree" : "gradients DISAGREE");
  return all ? 0 : 1;
}
