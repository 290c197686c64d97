#include "reference/reference.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace convgrad::reference {
namespace {

// Calls visit(image, output pixel, tap), each the index of its first channel divided by the channel count, for every
// output pixel and every tap that reads inside the input.
template <typename Visitor>
void for_each_tap(const Sizes &sizes, const Visitor &visit) {
  const Axis &y = sizes.height;
  const Axis &x = sizes.width;
  if (y.filter == 0 || x.filter == 0) return;  // with a large dilation such a filter fits billions of times
  for (int64_t n = 0; n < sizes.batch; ++n) {
    for (int64_t p = 0; p < y.out; ++p) {
      for (int64_t r = 0; r < y.filter; ++r) {
        const int64_t h = p * y.stride + r * y.dilation - y.before;
        if (h < 0 || h >= y.in) continue;
        for (int64_t q = 0; q < x.out; ++q) {
          for (int64_t s = 0; s < x.filter; ++s) {
            const int64_t w = q * x.stride + s * x.dilation - x.before;
            if (w < 0 || w >= x.in) continue;
            visit((n * y.in + h) * x.in + w, (n * y.out + p) * x.out + q, r * x.filter + s);
          }
        }
      }
    }
  }
}

void require_size(const std::vector<double> &values, int64_t size) {
  if (static_cast<int64_t>(values.size()) != size) std::abort();  // a defect of the test
}

}  // namespace

Axis resolve_axis(Padding padding, int64_t in, int64_t filter, int64_t stride, int64_t dilation, int64_t before,
                  int64_t after) {
  Axis axis{in, filter, stride, dilation, 0, 0, 0};
  const int64_t extent = (filter - 1) * dilation + 1;
  if (padding == Padding::kSame) {
    axis.out = in / stride + (in % stride != 0);
    const int64_t total = std::max<int64_t>((axis.out - 1) * stride + extent - in, 0);
    axis.before = total / 2;
    axis.after = total - axis.before;
    return axis;
  }
  if (padding == Padding::kExplicit) {
    axis.before = before;
    axis.after = after;
  }
  axis.out = (in + axis.before + axis.after - extent + stride) / stride;
  return axis;
}

template <typename Sum>
std::vector<Sum> conv2d(const Sizes &sizes, const std::vector<double> &input, const std::vector<double> &filter) {
  require_size(input, sizes.input_size());
  require_size(filter, sizes.filter_size());
  std::vector<Sum> output(static_cast<size_t>(sizes.output_size()));
  const int64_t group_in = sizes.in_channels / sizes.groups;
  const int64_t group_out = sizes.out_channels / sizes.groups;
  for_each_tap(sizes, [&](int64_t in_pixel, int64_t out_pixel, int64_t tap) {
    for (int64_t g = 0; g < sizes.groups; ++g) {
      const double *x = input.data() + in_pixel * sizes.in_channels + g * group_in;
      Sum *y = output.data() + out_pixel * sizes.out_channels + g * group_out;
      for (int64_t c = 0; c < group_in; ++c) {
        const double *w = filter.data() + (tap * group_in + c) * sizes.out_channels + g * group_out;
        for (int64_t k = 0; k < group_out; ++k) y[k] += static_cast<Sum>(x[c]) * w[k];
      }
    }
  });
  return output;
}

template <typename Sum>
std::vector<Sum> conv2d_backprop_input(const Sizes &sizes, const std::vector<double> &filter,
                                       const std::vector<double> &out_backprop) {
  require_size(filter, sizes.filter_size());
  require_size(out_backprop, sizes.output_size());
  std::vector<Sum> in_backprop(static_cast<size_t>(sizes.input_size()));
  const int64_t group_in = sizes.in_channels / sizes.groups;
  const int64_t group_out = sizes.out_channels / sizes.groups;
  for_each_tap(sizes, [&](int64_t in_pixel, int64_t out_pixel, int64_t tap) {
    for (int64_t g = 0; g < sizes.groups; ++g) {
      Sum *dx = in_backprop.data() + in_pixel * sizes.in_channels + g * group_in;
      const double *dy = out_backprop.data() + out_pixel * sizes.out_channels + g * group_out;
      for (int64_t c = 0; c < group_in; ++c) {
        const double *w = filter.data() + (tap * group_in + c) * sizes.out_channels + g * group_out;
        Sum sum = 0;
        for (int64_t k = 0; k < group_out; ++k) sum += static_cast<Sum>(w[k]) * dy[k];
        dx[c] += sum;
      }
    }
  });
  return in_backprop;
}

template <typename Sum>
std::vector<Sum> conv2d_backprop_filter(const Sizes &sizes, const std::vector<double> &input,
                                        const std::vector<double> &out_backprop) {
  require_size(input, sizes.input_size());
  require_size(out_backprop, sizes.output_size());
  std::vector<Sum> filter_backprop(static_cast<size_t>(sizes.filter_size()));
  const int64_t group_in = sizes.in_channels / sizes.groups;
  const int64_t group_out = sizes.out_channels / sizes.groups;
  for_each_tap(sizes, [&](int64_t in_pixel, int64_t out_pixel, int64_t tap) {
    for (int64_t g = 0; g < sizes.groups; ++g) {
      const double *x = input.data() + in_pixel * sizes.in_channels + g * group_in;
      const double *dy = out_backprop.data() + out_pixel * sizes.out_channels + g * group_out;
      for (int64_t c = 0; c < group_in; ++c) {
        Sum *dw = filter_backprop.data() + (tap * group_in + c) * sizes.out_channels + g * group_out;
        for (int64_t k = 0; k < group_out; ++k) dw[k] += static_cast<Sum>(x[c]) * dy[k];
      }
    }
  });
  return filter_backprop;
}

#define CONVGRAD_REFERENCE(op, Sum) \
  template std::vector<Sum> op(const Sizes &, const std::vector<double> &, const std::vector<double> &);
CONVGRAD_REFERENCE(conv2d, double)
CONVGRAD_REFERENCE(conv2d, long double)
CONVGRAD_REFERENCE(conv2d_backprop_input, double)
CONVGRAD_REFERENCE(conv2d_backprop_input, long double)
CONVGRAD_REFERENCE(conv2d_backprop_filter, double)
CONVGRAD_REFERENCE(conv2d_backprop_filter, long double)
#undef CONVGRAD_REFERENCE

std::vector<double> magnitudes(const std::vector<double> &values) {
  std::vector<double> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(), [](double v) { return std::fabs(v); });
  return result;
}

}  // namespace convgrad::reference
