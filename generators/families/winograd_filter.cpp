// conv2d_backprop_filter for a 3x3 filter with stride 1, by Winograd's F(3x3, 4x4).
//
//   dw[r,s,c,k] = sum over n,p,q  x[n, p + r - top, q + s - left, c] * dy[n,p,q,k]
//
// dy is cut into tiles of 4 x 4 pixels, each of which meets 6 x 6 pixels of the input. The 36 products of all tiles are
// added up before they are transformed back, once.
#include "families/winograd_filter.h"
#include "generators/generator_base.h"
#include "generators/winograd.h"

namespace convgrad {

using winograd::Exprs;
using winograd::kDomain;
using winograd::kTaps;
using winograd::kTile;

class WinogradBackpropFilter : public Conv2dGenerator<WinogradBackpropFilter, WinogradFilter> {
 public:
  Input<Buffer<void, 4>> input{"input"};                // (c, w, h, n)
  Input<Buffer<void, 4>> out_backprop{"out_backprop"};  // (k, q, p, n)
  Input<int32_t> stride_w{"stride_w"}, stride_h{"stride_h"}, dilation_w{"dilation_w"}, dilation_h{"dilation_h"};
  Output<Buffer<void, 4>> filter_backprop{"filter_backprop"};  // (k, c, s, r)

  void configure() { configure_types(input, out_backprop, filter_backprop); }

  void generate() {
    const winograd::Grid grid(out_backprop);
    stages.input = winograd::transform_tiles(input, grid, kDomain, 0, 0, winograd::transform_input);
    stages.gradient = winograd::transform_tiles(out_backprop, grid, kTile, 0, 0, winograd::transform_filter);

    Func input_tile = stages.input.tile, gradient_tile = stages.gradient.tile;
    stages.reduction = RDom(0, grid.count);
    products(k, c, i, j) += input_tile(c, stages.reduction, i, j) * gradient_tile(k, stages.reduction, i, j);

    const auto transform = [](const Exprs &m) { return winograd::transform_output(m, kTaps); };
    output_rows(k, c, s, j) = winograd::transformed(transform, products, kDomain, s, [&](Expr at) {
      return Exprs{k, c, at, j};
    });
    output_tile(k, c, s, r) = winograd::transformed(transform, output_rows, kDomain, r, [&](Expr at) {
      return Exprs{k, c, s, at};
    });
    filter_backprop(k, c, s, r) = output_tile(k, c, s, r);
  }

  void schedule() {
    set_layout(input);
    set_gradient_layout(out_backprop);
    set_filter_layout(filter_backprop);

    stages.result = filter_backprop;
    stages.output_rows = output_rows, stages.output_tile = output_tile, stages.products = products;
    stages.k = k, stages.c = c, stages.s = s, stages.r = r, stages.i = i, stages.j = j;
    WinogradFilter::schedule(stages, params());
    finish_schedule({});
  }

 private:
  Var k{"k"}, c{"c"}, s{"s"}, r{"r"}, i{"i"}, j{"j"};
  Func products{"products"}, output_rows{"output_rows"}, output_tile{"output_tile"};
  WinogradFilterStages stages;
};

}  // namespace convgrad

HALIDE_REGISTER_GENERATOR(convgrad::WinogradBackpropFilter, conv2d_backprop_filter_winograd_filter)
