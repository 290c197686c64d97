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

void require_size(const std::vector<float> &values, int64_t size) {
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

std::vector<double> conv2d(const Sizes &sizes, const std::vector<float> &input, const std::vector<float> &filter) {
  require_size(input, sizes.input_size());
  require_size(filter, sizes.filter_size());
  std::vector<double> output(static_cast<size_t>(sizes.output_size()), 0.0);
  const int64_t group_in = sizes.in_channels / sizes.groups;
  const int64_t group_out = sizes.out_channels / sizes.groups;
  for_each_tap(sizes, [&](int64_t in_pixel, int64_t out_pixel, int64_t tap) {
    for (int64_t g = 0; g < sizes.groups; ++g) {
      const float *x = input.data() + in_pixel * sizes.in_channels + g * group_in;
      double *y = output.data() + out_pixel * sizes.out_channels + g * group_out;
      for (int64_t c = 0; c < group_in; ++c) {
        const float *w = filter.data() + (tap * group_in + c) * sizes.out_channels + g * group_out;
        for (int64_t k = 0; k < group_out; ++k) y[k] += static_cast<double>(x[c]) * w[k];
      }
    }
  });
  return output;
}

std::vector<double> conv2d_backprop_input(const Sizes &sizes, const std::vector<float> &filter,
                                          const std::vector<float> &out_backprop) {
  require_size(filter, sizes.filter_size());
  require_size(out_backprop, sizes.output_size());
  std::vector<double> in_backprop(static_cast<size_t>(sizes.input_size()), 0.0);
  const int64_t group_in = sizes.in_channels / sizes.groups;
  const int64_t group_out = sizes.out_channels / sizes.groups;
  for_each_tap(sizes, [&](int64_t in_pixel, int64_t out_pixel, int64_t tap) {
    for (int64_t g = 0; g < sizes.groups; ++g) {
      double *dx = in_backprop.data() + in_pixel * sizes.in_channels + g * group_in;
      const float *dy = out_backprop.data() + out_pixel * sizes.out_channels + g * group_out;
      for (int64_t c = 0; c < group_in; ++c) {
        const float *w = filter.data() + (tap * group_in + c) * sizes.out_channels + g * group_out;
        double sum = 0.0;
        for (int64_t k = 0; k < group_out; ++k) sum += static_cast<double>(w[k]) * dy[k];
        dx[c] += sum;
      }
    }
  });
  return in_backprop;
}

std::vector<double> conv2d_backprop_filter(const Sizes &sizes, const std::vector<float> &input,
                                           const std::vector<float> &out_backprop) {
  require_size(input, sizes.input_size());
  require_size(out_backprop, sizes.output_size());
  std::vector<double> filter_backprop(static_cast<size_t>(sizes.filter_size()), 0.0);
  const int64_t group_in = sizes.in_channels / sizes.groups;
  const int64_t group_out = sizes.out_channels / sizes.groups;
  for_each_tap(sizes, [&](int64_t in_pixel, int64_t out_pixel, int64_t tap) {
    for (int64_t g = 0; g < sizes.groups; ++g) {
      const float *x = input.data() + in_pixel * sizes.in_channels + g * group_in;
      const float *dy = out_backprop.data() + out_pixel * sizes.out_channels + g * group_out;
      for (int64_t c = 0; c < group_in; ++c) {
        double *dw = filter_backprop.data() + (tap * group_in + c) * sizes.out_channels + g * group_out;
        for (int64_t k = 0; k < group_out; ++k) dw[k] += static_cast<double>(x[c]) * dy[k];
      }
    }
  });
  return filter_backprop;
}

std::vector<float> magnitudes(const std::vector<float> &values) {
  std::vector<float> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(), [](float v) { return std::fabs(v); });
  return result;
}

}  // namespace convgrad::reference
