// dw[r,s,c,k] = sum over n,p,q  x[n, p*Sh + r*Dh - top, q*Sw + s*Dw - left, c] * dy[n,p,q,k]
//
// The padding is in the input's minimum: input[n,h,w,c] has the coordinates (c, w + left, h + top, n).
#ifndef CONVGRAD_GENERATORS_BACKPROP_FILTER_H
#define CONVGRAD_GENERATORS_BACKPROP_FILTER_H

#include <string_view>

#include "generators/generator_base.h"
#include "schedules/filter.h"

namespace convgrad {

// Of the families that compute FilterStages.
template <typename Family>
class BackpropFilter : public Conv2dGenerator<BackpropFilter<Family>, Family> {
 public:
  CONVGRAD_GENERATOR_NAMES(BackpropFilter)
  using RVar = Halide::RVar;

  Input<Buffer<void, 4>> input{"input"};                // (c, w, h, n)
  Input<Buffer<void, 4>> out_backprop{"out_backprop"};  // (k, q, p, n)
  Input<int32_t> stride_w{"stride_w"}, stride_h{"stride_h"}, dilation_w{"dilation_w"}, dilation_h{"dilation_h"};
  Output<Buffer<void, 4>> filter_backprop{"filter_backprop"};  // (k, c, s, r)

  void configure() {
    configure_types(input, out_backprop, filter_backprop);
    configure_offsets({"input", "out_backprop", "filter_backprop"});
  }

  void generate() {
    if constexpr (kOnGpu) {
      define_parts();
    } else {
      define_whole();
    }
  }

  void schedule() {
    set_layout(input);
    set_gradient_layout(out_backprop);
    set_filter_layout(filter_backprop);

    FilterStages stages;
    stages.result = filter_backprop;
    stages.sum = sum;
    stages.reduction = reduction;
    stages.input_panel = input_panel;
    stages.gradient_panel = gradient_panel;
    stages.prefetch = prefetch_of(out_backprop, input);
    stages.k = k, stages.c = c, stages.s = s, stages.r = r, stages.x = x, stages.y = y, stages.n = n;
    set_panel_under_filter(&stages);
    if (on_gpu() || fixed()) {
      stages.input_contiguous = in_vectors(input);
      stages.gradient_contiguous = in_vectors(out_backprop);
    } else {
      stages.input_contiguous = input.dim(0).stride() == 1;
      stages.gradient_contiguous = out_backprop.dim(0).stride() == 1;
    }
    stages.partial = partial, stages.total = total, stages.part = part, stages.all_parts = all_parts;
    stages.taps_x = fixed() ? static_cast<int>(filter_width) : 1;
    Family::schedule(stages, params());
    finish_schedule({sum});
  }

 private:
  static constexpr bool kOnGpu = std::string_view(Family::devices) != "cpu", kAlongInput = Family::along_input;

  Expr step_x() const { return one_tap(filter_width) ? 1 : stride_width; }
  Expr step_y() const { return one_tap(filter_height) ? 1 : stride_height; }
  Expr from_x() const { return one_tap(filter_width) ? x * stride_width : x; }
  Expr from_y() const { return one_tap(filter_height) ? y * stride_height : y; }

  void define_whole() {
    bool in_place = false, input_in_place = false;
    if constexpr (fixed()) {
      in_place = params().in_place != 0;
      input_in_place = params().input_in_place != 0;
    }
    const Func image = !fixed()          ? zero_outside(input, {0, 1, 2})
                       : !input_in_place ? channels_repeated(input, {1, 2})
                       : kAlongInput     ? channels_repeated(input, {})
                                         : unpacked(input);
    const Func gradient = !fixed()                  ? zero_outside(out_backprop, {0})
                          : kAlongInput && in_place ? unpacked(out_backprop)
                                                    : channels_repeated(out_backprop, {});
    gradient_panel(k, x, y, n) = gradient(k, x, y, n);
    reduction = RDom(0, out_backprop.dim(1).extent(), 0, out_backprop.dim(2).extent(), 0, out_backprop.dim(3).extent());
    const RVar q = reduction.x, p = reduction.y, image_n = reduction.z;
    if (fixed()) {
      input_panel(c, x, y, n) = image(c, from_x(), from_y(), n);
      sum(k, c, s, r) +=
          product(input_panel(c, q * step_x() + s, p * step_y() + r, image_n), gradient_panel(k, q, p, image_n));
    } else {
      input_panel(c, x, y, n, s, r) = image(c, x * stride_w + s * dilation_w, y * stride_h + r * dilation_h, n);
      sum(k, c, s, r) += product(input_panel(c, q, p, image_n, s, r), gradient_panel(k, q, p, image_n));
    }
    filter_backprop(k, c, s, r) = stored(sum(k, c, s, r));
  }

  // A GPU has room for more blocks than a filter has tiles, so the output's pixels are split into parts, whose number
  // depends on nothing but sizes. A part is a run of panels, those of an image after those of the image before it. The
  // Funcs of a panel have its number and the place in it as coordinates, since bounds inference does not see through a
  // division. What the last panels hold beyond the output is zero.
  void define_parts() {
    const auto params = this->params();
    const int block_width = params.block_width, block_height = params.block_height;
    const Expr across = (out_backprop.dim(1).extent() + block_width - 1) / block_width;
    const Expr down = (out_backprop.dim(2).extent() + block_height - 1) / block_height;
    const Expr panels = across * down * out_backprop.dim(3).extent();
    const int block_k = params.block_vectors * lanes(), block_c = params.block_channels;
    const Expr tiles = ((filter_backprop.dim(0).extent() + block_k - 1) / block_k) *
                       ((filter_backprop.dim(1).extent() + block_c - 1) / block_c) * filter_backprop.dim(3).extent() *
                       (fixed() ? Expr(1) : filter_backprop.dim(2).extent());
    const Expr wanted = clamp(params.target_blocks / max(tiles, 1), 1, max(panels, 1));
    const Expr panels_of_part = (panels + wanted - 1) / wanted;
    const Expr parts = (panels + panels_of_part - 1) / max(panels_of_part, 1);

    const Func image = padded(input), gradient = padded(out_backprop);
    const Expr left = n % across * block_width, top = n / across % down * block_height, image_n = n / (across * down);
    gradient_panel(k, x, y, n) = gradient(k, left + x, top + y, image_n);
    reduction = RDom(0, block_width, 0, block_height, 0, panels_of_part);
    const RVar q = reduction.x, p = reduction.y;
    const Expr panel = part * panels_of_part + reduction.z;
    if (fixed()) {
      // Of one row of taps: a block has no more.
      input_panel(c, x, y, n, r) = image(c, left * stride_width + from_x(), (top + y) * stride_height + r, image_n);
      sum(k, c, s, r, part) += product(input_panel(c, q * step_x() + s, p, panel, r), gradient_panel(k, q, p, panel));
    } else {
      input_panel(c, x, y, n, s, r) =
          image(c, (left + x) * stride_w + s * dilation_w, (top + y) * stride_h + r * dilation_h, image_n);
      sum(k, c, s, r, part) += product(input_panel(c, q, p, panel, s, r), gradient_panel(k, q, p, panel));
    }
    // In order: the same bits every time.
    partial(k, c, s, r, part) = sum(k, c, s, r, part);
    all_parts = RDom(0, parts);
    total(k, c, s, r) += partial(k, c, s, r, all_parts);
    filter_backprop(k, c, s, r) = stored(total(k, c, s, r));
  }

  Var k{"k"}, c{"c"}, s{"s"}, r{"r"}, x{"x"}, y{"y"}, n{"n"};
  Func sum{"sum"}, input_panel{"input_panel"}, gradient_panel{"gradient_panel"};
  RDom reduction;
  // On a GPU.
  Var part{"part"};
  Func partial{"partial"}, total{"total"};
  RDom all_parts;
};

}  // namespace convgrad

#endif  // CONVGRAD_GENERATORS_BACKPROP_FILTER_H
