// One program with two Halide runtimes: the stock one, of the app's pipeline, and the one inside libconvgrad.a.
#include <HalideBuffer.h>
#include <convgrad/convgrad.h>

#include <cstdio>
#include <vector>

#include "blur.h"

namespace {

bool blur_is_right() {
  constexpr int kWidth = 300, kHeight = 200;
  Halide::Runtime::Buffer<float> input(kWidth, kHeight), output(kWidth, kHeight);
  input.for_each_element([&](int x, int y) { input(x, y) = static_cast<float>(x + y); });
  if (blur(input, output) != 0) return false;
  // The mean of a plane is the plane, away from the edges.
  for (int y = 1; y < kHeight - 1; ++y)
    for (int x = 1; x < kWidth - 1; ++x)
      if (output(x, y) != 9 * static_cast<float>(x + y)) return false;
  return true;
}

convgrad_tensor view(std::vector<float> &values, int64_t a, int64_t b, int64_t c, int64_t d) {
  convgrad_tensor tensor{};
  tensor.data = values.data();
  tensor.shape[0] = a, tensor.shape[1] = b, tensor.shape[2] = c, tensor.shape[3] = d;
  return tensor;
}

// All ones: an element of either gradient is the number of windows, or of positions, that it takes part in. The context is
// a strict one: a Winograd kernel's sums of integers are not exact.
bool gradients_are_right(const convgrad_context *context) {
  constexpr int64_t kSize = 33, kIn = 16, kOut = 32;
  std::vector<float> input(kSize * kSize * kIn, 1.0f), filter(9 * kIn * kOut, 1.0f);
  std::vector<float> out_backprop(kSize * kSize * kOut, 1.0f), d_input(input.size()), d_filter(filter.size());
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = CONVGRAD_SAME;
  const convgrad_tensor x = view(input, 1, kSize, kSize, kIn), w = view(filter, 3, 3, kIn, kOut);
  const convgrad_tensor dy = view(out_backprop, 1, kSize, kSize, kOut);
  const convgrad_tensor dx = view(d_input, 1, kSize, kSize, kIn), dw = view(d_filter, 3, 3, kIn, kOut);
  if (convgrad_conv2d_backprop_input(context, &attrs, &w, &dy, &dx) != CONVGRAD_OK ||
      convgrad_conv2d_backprop_filter(context, &attrs, &x, &dy, &dw) != CONVGRAD_OK) {
    std::fprintf(stderr, "%s\n", convgrad_last_error());
    return false;
  }
  const float middle = d_input[static_cast<size_t>((kSize / 2 * kSize + kSize / 2) * kIn)];
  const float middle_tap = d_filter[4 * kIn * kOut];
  return d_input.front() == 4 * kOut && middle == 9 * kOut && middle_tap == kSize * kSize &&
         d_filter.front() == (kSize - 1) * (kSize - 1);
}

}  // namespace

int main() {
  convgrad_context_options options = convgrad_context_options_default();
  options.strict = 1;
  convgrad_context *context = nullptr;
  if (convgrad_context_create(&options, &context) != CONVGRAD_OK) {
    std::fprintf(stderr, "%s\n", convgrad_last_error());
    return 1;
  }
  for (int turn = 0; turn < 3; ++turn) {
    const bool blurred = blur_is_right(), right = gradients_are_right(context);
    if (blurred && right) continue;
    std::fprintf(stderr, "turn %d: the app's pipeline is %s, convgrad is %s\n", turn, blurred ? "right" : "wrong",
                 right ? "right" : "wrong");
    return 1;
  }
  convgrad_context_destroy(context);
  std::printf("the app's Halide pipeline and convgrad %s ran in turns\n", convgrad_version());
  return 0;
}
