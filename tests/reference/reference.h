// The three operations as plain loops, straight from the formula of convgrad.h, on operands that double holds: those of
// any element type. Images are dense NHWC and filters dense HWIO here, whatever the layout of the tensors under test.
// Shares no code with the runtime.
#ifndef CONVGRAD_TESTS_REFERENCE_REFERENCE_H
#define CONVGRAD_TESTS_REFERENCE_REFERENCE_H

#include <cstdint>
#include <vector>

namespace convgrad::reference {

enum class Padding { kValid, kSame, kExplicit };

// One spatial axis of a convolution.
struct Axis {
  int64_t in = 0;
  int64_t filter = 0;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t before = 0;  // padding
  int64_t after = 0;
  int64_t out = 0;
};

// Fills in the padding and the output size; `before` and `after` count only for kExplicit. A negative output size means
// that the convolution is not defined.
Axis resolve_axis(Padding padding, int64_t in, int64_t filter, int64_t stride, int64_t dilation, int64_t before,
                  int64_t after);

struct Sizes {
  int64_t batch = 0;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t groups = 1;
  Axis height;
  Axis width;

  int64_t input_size() const { return batch * height.in * width.in * in_channels; }
  int64_t filter_size() const { return height.filter * width.filter * (in_channels / groups) * out_channels; }
  int64_t output_size() const { return batch * height.out * width.out * out_channels; }
};

// Sum is the type of products and sums, double or long double. A float64 result is judged by long double, which has 64
// bits of mantissa on x86-64 and 113 on 64-bit ARM; sums of small integers are exact in double, and much quicker.
template <typename Sum>
std::vector<Sum> conv2d(const Sizes &sizes, const std::vector<double> &input, const std::vector<double> &filter);
template <typename Sum>
std::vector<Sum> conv2d_backprop_input(const Sizes &sizes, const std::vector<double> &filter,
                                       const std::vector<double> &out_backprop);
template <typename Sum>
std::vector<Sum> conv2d_backprop_filter(const Sizes &sizes, const std::vector<double> &input,
                                        const std::vector<double> &out_backprop);

// |values|: the operations applied to magnitudes give sum |a*b| of each output element.
std::vector<double> magnitudes(const std::vector<double> &values);

}  // namespace convgrad::reference

#endif  // CONVGRAD_TESTS_REFERENCE_REFERENCE_H
