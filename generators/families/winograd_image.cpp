// conv2d and conv2d_backprop_input for a 3x3 filter with stride 1, by Winograd's F(4x4, 3x3).
//
// The result is cut into tiles of 4 x 4 pixels, each of which reads 6 x 6 pixels of the image:
//
//   conv2d          y [n,p,q,k] = sum over r,s,c  x [n, p + r - top, q + s - left, c] * w[r,s,c,k]
//   backprop_input  dx[n,h,w,c] = sum over r,s,k  dy[n, h + top - r, w + left - s, k] * w[r,s,c,k]
//
// the second of which is the first with the filter turned round and another origin.
#include "families/winograd_image.h"
#include "generators/generator_base.h"
#include "generators/winograd.h"

namespace convgrad {

using winograd::Exprs;
using winograd::kDomain;
using winograd::kTaps;
using winograd::kTile;

template <typename Derived>
class WinogradImageGenerator : public Conv2dGenerator<Derived, WinogradImage> {
 public:
  using Expr = Halide::Expr;
  using Func = Halide::Func;
  using Var = Halide::Var;

 protected:
  // Of the result and reduced over; tile; pixel and its transform; tap; image.
  Var k{"k"}, c{"c"}, t{"t"}, x{"x"}, y{"y"}, i{"i"}, j{"j"}, s{"s"}, r{"r"}, n{"n"};
  WinogradImageStages stages;

  // stages.filter_panel is defined, in correlation's order: pixel x of the result meets tap s at pixel x + s - before
  // of the image.
  template <typename Result, typename Image>
  void define(const Result &result, const Image &image, Expr channels, int before) {
    const Expr left = result.dim(1).min(), top = result.dim(2).min();
    const winograd::Grid grid(result);
    stages.image =
        winograd::transform_tiles(image, grid, kDomain, left - before, top - before, winograd::transform_input);
    Func image_tile = stages.image.tile;

    Func filter_panel = stages.filter_panel;
    filter_rows(k, c, i, r) = winograd::transformed(winograd::transform_filter, filter_panel, kTaps, i, [&](Expr at) {
      return Exprs{k, c, at, r};
    });
    filter_tile(k, c, i, j) = winograd::transformed(winograd::transform_filter, filter_rows, kTaps, j, [&](Expr at) {
      return Exprs{k, c, i, at};
    });

    const Halide::RDom reduction(0, channels);
    products(k, t, i, j) += filter_tile(k, reduction, i, j) * image_tile(reduction, t, i, j);

    const auto transform = [](const Exprs &m) { return winograd::transform_output(m, kTile); };
    output_rows(k, t, x, j) = winograd::transformed(transform, products, kDomain, x, [&](Expr at) {
      return Exprs{k, t, at, j};
    });
    output_tile(k, t, x, y) = winograd::transformed(transform, output_rows, kDomain, y, [&](Expr at) {
      return Exprs{k, t, x, at};
    });

    Halide::RDom pixels(0, kTile, 0, kTile, 0, grid.count);
    const Expr column = left + grid.x(pixels.z) + pixels.x, row = top + grid.y(pixels.z) + pixels.y;
    const Expr last_column = result.dim(1).max(), last_row = result.dim(2).max();
    pixels.where(column <= last_column && row <= last_row);
    // Clamped, for bounds inference.
    stages.result = result;
    stages.result(k, x, y, n) = Halide::undef(result.type());
    stages.result(k, Halide::min(column, last_column), Halide::min(row, last_row),
                  Halide::clamp(grid.n(pixels.z), 0, result.dim(3).extent() - 1)) =
        output_tile(k, pixels.z, pixels.x, pixels.y);

    stages.pixels = pixels, stages.tiles = grid.count, stages.reduction = reduction;
    stages.output_rows = output_rows, stages.output_tile = output_tile, stages.products = products;
    stages.filter_rows = filter_rows, stages.filter_tile = filter_tile;
    stages.channel = k, stages.reduced = c, stages.t = t, stages.x = x, stages.y = y, stages.i = i, stages.j = j;
    stages.s = s, stages.r = r;
  }

  void schedule_stages() {
    WinogradImage::schedule(stages, this->params());
    this->finish_schedule({});
  }

 private:
  Func filter_rows{"filter_rows"}, filter_tile{"filter_tile"};
  Func products{"products"}, output_rows{"output_rows"}, output_tile{"output_tile"};
};

class WinogradConv2d : public WinogradImageGenerator<WinogradConv2d> {
 public:
  Input<Buffer<void, 4>> input{"input"};    // (c, w, h, n)
  Input<Buffer<void, 4>> filter{"filter"};  // (k, c, s, r)
  Input<int32_t> stride_w{"stride_w"}, stride_h{"stride_h"}, dilation_w{"dilation_w"}, dilation_h{"dilation_h"};
  Output<Buffer<void, 4>> output{"output"};  // (k, q, p, n)

  void configure() { configure_types(input, filter, output); }

  void generate() {
    stages.filter_panel = Func("filter_panel");
    stages.filter_panel(k, c, s, r) = zero_outside(filter, {0})(k, c, s, r);
    define(output, input, filter.dim(1).extent(), 0);
  }

  void schedule() {
    set_layout(input);
    set_filter_layout(filter);
    set_layout(output);
    schedule_stages();
  }
};

class WinogradBackpropInput : public WinogradImageGenerator<WinogradBackpropInput> {
 public:
  Input<Buffer<void, 4>> filter{"filter"};              // (k, c, s, r)
  Input<Buffer<void, 4>> out_backprop{"out_backprop"};  // (k, q, p, n)
  Input<int32_t> dilation_w{"dilation_w"}, dilation_h{"dilation_h"};
  Output<Buffer<void, 4>> in_backprop{"in_backprop"};  // (c, x, y, n)

  void configure() { configure_types(filter, out_backprop, in_backprop); }

  // Here the base's k is the input's channel and its c is out_backprop's.
  void generate() {
    stages.filter_source = Func("filter_source"), stages.filter_panel = Func("filter_panel");
    stages.filter_source(c, k, s, r) = zero_outside(filter, {0, 1})(c, k, kTaps - 1 - s, kTaps - 1 - r);
    stages.filter_panel(k, c, s, r) = stages.filter_source(c, k, s, r);
    define(in_backprop, out_backprop, filter.dim(0).extent(), kTaps - 1);
  }

  void schedule() {
    set_filter_layout(filter);
    set_gradient_layout(out_backprop);
    set_layout(in_backprop);
    schedule_stages();
  }
};

}  // namespace convgrad

HALIDE_REGISTER_GENERATOR(convgrad::WinogradConv2d, conv2d_winograd_image)
HALIDE_REGISTER_GENERATOR(convgrad::WinogradBackpropInput, conv2d_backprop_input_winograd_image)
