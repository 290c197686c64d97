// Winograd's minimal filtering F(m x m, r x r) with m + r - 1 = 6, after Cook and Toom: with the polynomial points
// 0, +-a, +-b and infinity a 6 x 6 tile of m x m outputs costs 36 products instead of (m r)^2.
//
//   Y = A^T [(G g G^T) * (B^T d B)] A        d: 6 x 6 inputs, g: r x r filter, Y: m x m outputs
//
// F(4x4, 3x3) serves conv2d and backprop_input (16 outputs, 9 taps: 4 times fewer products), F(3x3, 4x4) serves
// backprop_filter, whose "filter" is a 4 x 4 tile of out_backprop and whose outputs are the 9 taps.
//
// There is no F(2x2, 3x3) or F(3x3, 2x2): n x n pixels cost them 16 ceil(n / 2)^2 products, and tiles of 4 x 4 pixels
// 36 ceil(n / 4)^2, which is less or the same for every n above 2. Nor would their smaller error make them strict.
#ifndef CONVGRAD_GENERATORS_WINOGRAD_H
#define CONVGRAD_GENERATORS_WINOGRAD_H

#include <Halide.h>

#include <functional>
#include <vector>

#include "schedules/winograd.h"

namespace convgrad {
namespace winograd {

constexpr int kDomain = WinogradSizes::domain_side;
constexpr int kTile = WinogradSizes::pixel_side;
constexpr int kTaps = kDomain - kTile + 1;
static_assert(WinogradSizes::domain_size == kDomain * kDomain, "a tile's products");

using Exprs = std::vector<Halide::Expr>;
using Transform = std::function<Exprs(const Exprs &)>;

// One-dimensional transforms.
Exprs transform_input(const Exprs &d);          // B^T d: 6 -> 6
Exprs transform_filter(const Exprs &g);         // G g: 3 or 4 -> 6
Exprs transform_output(const Exprs &m, int n);  // A^T m: 6 -> n = 4 or 3

// The transform of f along one dimension, its arguments being what `at` makes of a position: element `i` of the result.
Halide::Expr transformed(const Transform &transform, Halide::Func f, int size, const Halide::Expr &i,
                         const std::function<Exprs(Halide::Expr)> &at);

// Tiles of kTile x kTile pixels over images, numbered through columns, rows and images alike, so that small images
// share a block of tiles.
struct Grid {
  Halide::Expr width, height;  // in tiles
  Halide::Expr count;

  template <typename Image>
  explicit Grid(const Image &image)
      : width((image.dim(1).extent() + kTile - 1) / kTile),
        height((image.dim(2).extent() + kTile - 1) / kTile),
        count(width * height * image.dim(3).extent()) {}

  Halide::Expr x(const Halide::Expr &t) const { return kTile * (t % width); }  // of a tile's first pixel
  Halide::Expr y(const Halide::Expr &t) const { return kTile * ((t / width) % height); }
  Halide::Expr n(const Halide::Expr &t) const { return t / (width * height); }
};

// Tile t's transform of size x size pixels, the first of which is (grid.x(t) + x0, grid.y(t) + y0); zero outside.
template <typename Image>
TransformedTiles transform_tiles(const Image &image, const Grid &grid, int size, Halide::Expr x0, Halide::Expr y0,
                                 const Transform &transform) {
  using Halide::BoundaryConditions::constant_exterior;
  TransformedTiles tiles;
  tiles.size = size;
  tiles.tile = Halide::Func("tile");
  const Halide::Var c = tiles.channel, t = tiles.t, x = tiles.x, y = tiles.y, i = tiles.i, j = tiles.j;
  const Halide::Expr first_x = grid.x(t) + x0, first_y = grid.y(t) + y0, n = grid.n(t);
  // Clamped, for bounds inference.
  const auto clamped = [&](const Halide::Expr &first, int d) {
    return Halide::max(Halide::min(first, image.dim(d).max() - (size - 1)), image.dim(d).min());
  };
  const Halide::Expr inside_x = clamped(first_x, 1), inside_y = clamped(first_y, 2);
  const Halide::Expr inside = first_x >= image.dim(1).min() && first_x + (size - 1) <= image.dim(1).max() &&
                              first_y >= image.dim(2).min() && first_y + (size - 1) <= image.dim(2).max();
  Halide::Region bounds(4);
  for (int d : {0, 3}) {
    bounds[d] = {image.dim(d).min(), image.dim(d).extent()};
  }
  tiles.interior.pixels(c, t, x, y) = constant_exterior(image, Halide::Internal::make_zero(image.type()), bounds)(
      c, Halide::min(inside_x + x, image.dim(1).max()), Halide::min(inside_y + y, image.dim(2).max()), n);
  tiles.border.pixels(c, t, x, y) =
      constant_exterior(image, Halide::Internal::make_zero(image.type()))(c, first_x + x, first_y + y, n);

  tiles.tile(c, t, i, j) = Halide::undef(image.type());
  for (TransformedTiles::Way *way : {&tiles.interior, &tiles.border}) {
    way->rows(c, t, i, y) = transformed(transform, way->pixels, size, i, [&](Halide::Expr at) {
      return Exprs{c, t, at, y};
    });
    Halide::RDom once(0, 1);  // a condition on a tile needs a reduction to hang on
    once.where(way == &tiles.interior ? inside : !inside);
    tiles.tile(c, t, i, j) = transformed(transform, way->rows, size, j, [&](Halide::Expr at) {
      return Exprs{c, t + once, i, at};
    });
  }
  return tiles;
}

}  // namespace winograd
}  // namespace convgrad

#endif  // CONVGRAD_GENERATORS_WINOGRAD_H
