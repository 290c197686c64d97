// y[n,p,q,k] = sum over r,s,c  x[n, p*Sh + r*Dh - top, q*Sw + s*Dw - left, c] * w[r,s,c,k]
//
// The padding is in the input's minimum: input[n,h,w,c] has the coordinates (c, w + left, h + top, n).
#ifndef CONVGRAD_GENERATORS_CONV2D_H
#define CONVGRAD_GENERATORS_CONV2D_H

#include "generators/filter_panel.h"
#include "generators/generator_base.h"

namespace convgrad {

// Of the families that compute ImageStages.
template <typename Family>
class Conv2d : public Conv2dGenerator<Conv2d<Family>, Family> {
 public:
  CONVGRAD_GENERATOR_NAMES(Conv2d)

  Input<Buffer<void, 4>> input{"input"};    // (c, w, h, n)
  Input<Buffer<void, 4>> filter{"filter"};  // (k, c, s, r)
  Input<int32_t> stride_w{"stride_w"}, stride_h{"stride_h"}, dilation_w{"dilation_w"}, dilation_h{"dilation_h"};
  Output<Buffer<void, 4>> output{"output"};  // (k, q, p, n)

  void configure() {
    configure_types(input, filter, output);
    configure_offsets({"input", "filter", "output"});
  }

  void generate() {
    const auto params = this->params();
    stages.sum = sum;
    stages.channel = k, stages.reduced = c, stages.x = q, stages.y = p, stages.n = n, stages.s = s, stages.r = r;
    const Func image = on_gpu() ? padded(input) : zero_outside(input, {1, 2, 3});
    const FilterPanel filter_panel(&stages, filter.dim(0).extent(), packed_filter_channels(params),
                                   on_gpu() ? padded(filter) : zero_outside(filter, {0}));
    const Expr channels = in_whole_panels(filter.dim(1).extent(), params.block_reduction);
    if (fixed()) {
      reduction = RDom(0, channels, 0, filter_width, 0, filter_height);
      const Expr step_x = one_tap(filter_width) ? 1 : stride_width, step_y = one_tap(filter_height) ? 1 : stride_height;
      image_panel(c, q, p, n) =
          image(c, one_tap(filter_width) ? q * stride_width : q, one_tap(filter_height) ? p * stride_height : p, n);
      sum(filter_panel.of_sum()) += product(
          filter_panel.tap(reduction), image_panel(reduction.x, q * step_x + reduction.y, p * step_y + reduction.z, n));
    } else {
      reduction = RDom(0, channels, 0, filter.dim(2).extent(), 0, filter.dim(3).extent());
      image_panel(c, q, p, n, s, r) = image(c, q * stride_w + s * dilation_w, p * stride_h + r * dilation_h, n);
      sum(filter_panel.of_sum()) +=
          product(filter_panel.tap(reduction), image_panel(reduction.x, q, p, n, reduction.y, reduction.z));
    }
    output(k, q, p, n) = stored(filter_panel.sum_of_result());
  }

  void schedule() {
    set_layout(input);
    set_filter_layout(filter);
    set_layout(output);

    stages.result = output;
    stages.reduction = reduction;
    stages.image_panel = image_panel;
    stages.prefetch = prefetch_of(input);
    set_panel_under_filter(&stages);
    stages.taps = static_cast<int>(filter_width) * static_cast<int>(filter_height);
    if (on_gpu()) {
      stages.image_contiguous = in_vectors(input);
      stages.filter_contiguous = in_vectors(filter);
    } else if (!fixed()) {
      stages.image_contiguous = input.dim(0).stride() == 1;
      stages.filter_contiguous = filter.dim(0).stride() == 1;
    }
    Family::schedule(stages, params());
    std::vector<Func> whole_tensors;
    if (packed_filter_channels(params()) != 0) whole_tensors.push_back(stages.filter_panel);
    finish_schedule({sum}, whole_tensors);
  }

 private:
  Var k{"k"}, c{"c"}, s{"s"}, r{"r"}, q{"q"}, p{"p"}, n{"n"};
  Func sum{"sum"}, image_panel{"image_panel"};
  RDom reduction;
  ImageStages stages;
};

}  // namespace convgrad

#endif  // CONVGRAD_GENERATORS_CONV2D_H
