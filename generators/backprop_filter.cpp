// dw[r,s,c,k] = sum over n,p,q  x[n, p*Sh + r*Dh - top, q*Sw + s*Dw - left, c] * dy[n,p,q,k]
//
// The padding is in the input's minimum: input[n,h,w,c] has the coordinates (c, w + left, h + top, n).
#include "generators/generator_base.h"

namespace convgrad {

class BackpropFilter : public Conv2dGenerator<BackpropFilter> {
 public:
#define CONVGRAD_FILTER_PARAM(name, preset, least, most, meaning) GeneratorParam<int> name{#name, preset, least, most};
#include "schedules/schedule_params.inc"

  Input<Buffer<float, 4>> input{"input"};                // (c, w, h, n)
  Input<Buffer<float, 4>> out_backprop{"out_backprop"};  // (k, q, p, n)
  Input<int32_t> stride_w{"stride_w"}, stride_h{"stride_h"}, dilation_w{"dilation_w"}, dilation_h{"dilation_h"};
  Output<Buffer<float, 4>> filter_backprop{"filter_backprop"};  // (k, c, s, r)

  void configure() { configure_offsets({"input", "out_backprop", "filter_backprop"}); }

  void generate() {
    const Func image = zero_outside(input, {0, 1, 2});
    gradient_panel(k, x, y, n) = zero_outside(out_backprop, {0})(k, x, y, n);
    reduction = RDom(0, out_backprop.dim(1).extent(), 0, out_backprop.dim(2).extent(), 0, out_backprop.dim(3).extent());
    const RVar q = reduction.x, p = reduction.y, image_n = reduction.z;
    if (direct()) {
      const Expr step_x = one_tap(filter_width) ? 1 : stride_width, step_y = one_tap(filter_height) ? 1 : stride_height;
      input_panel(c, x, y, n) =
          image(c, one_tap(filter_width) ? x * stride_width : x, one_tap(filter_height) ? y * stride_height : y, n);
      sum(k, c, s, r) += input_panel(c, q * step_x + s, p * step_y + r, image_n) * gradient_panel(k, q, p, image_n);
    } else {
      input_panel(c, x, y, n, s, r) = image(c, x * stride_w + s * dilation_w, y * stride_h + r * dilation_h, n);
      sum(k, c, s, r) += input_panel(c, q, p, image_n, s, r) * gradient_panel(k, q, p, image_n);
    }
    filter_backprop(k, c, s, r) = sum(k, c, s, r);
  }

  void schedule() {
    set_layout(input);
    set_layout(out_backprop);
    out_backprop.dim(1).set_min(0);
    out_backprop.dim(2).set_min(0);
    set_filter_layout(filter_backprop);

    FilterStages stages;
    stages.result = filter_backprop;
    stages.sum = sum;
    stages.reduction = reduction;
    stages.input_panel = input_panel;
    stages.gradient_panel = gradient_panel;
    stages.k = k, stages.c = c, stages.s = s, stages.r = r, stages.x = x, stages.y = y, stages.n = n;
    set_panel_under_filter(&stages);
    if (!direct()) {
      stages.input_contiguous = input.dim(0).stride() == 1;
      stages.gradient_contiguous = out_backprop.dim(0).stride() == 1;
    }
    FilterScheduleParams params;
#define CONVGRAD_FILTER_PARAM(name, preset, least, most, meaning) params.name = name;
#include "schedules/schedule_params.inc"
    params.lanes = lanes();
    if (on_gpu()) {
      schedule_filter_on_gpu(stages, params);
    } else {
      schedule_filter_on_cpu(stages, params);
    }
    finish_schedule();
  }

 private:
  Var k{"k"}, c{"c"}, s{"s"}, r{"r"}, x{"x"}, y{"y"}, n{"n"};
  Func sum{"sum"}, input_panel{"input_panel"}, gradient_panel{"gradient_panel"};
  RDom reduction;
};

}  // namespace convgrad

HALIDE_REGISTER_GENERATOR(convgrad::BackpropFilter, conv2d_backprop_filter)
