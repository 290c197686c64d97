// The stages of families of Winograd's minimal filtering (generators/winograd.h).
#ifndef CONVGRAD_SCHEDULES_WINOGRAD_H
#define CONVGRAD_SCHEDULES_WINOGRAD_H

#include "schedules/schedule.h"

namespace convgrad {

// Rows and columns of a tile's pixels and of its products, as both families declare them.
struct WinogradSizes {
#define CONVGRAD_FAMILY_INC "schedules/families/parts/winograd.inc"
#define CONVGRAD_CONSTANT(name, value, meaning) static constexpr int name = value;
#include "schedules/read_family.inc"
#undef CONVGRAD_FAMILY_INC
};

// Square pieces of an image, transformed. Pieces that lie inside the image are read without conditions, by Funcs of
// their own.
struct TransformedTiles {
  struct Way {
    Halide::Func pixels{"pixels"};  // (channel, t, x, y)
    Halide::Func rows{"rows"};      // (channel, t, i, y)
  };
  Halide::Func tile;  // (channel, t, i, j); its first update is for the interior, its second for the border
  Way interior, border;
  int size = 0;  // pixels along a side
  Halide::Var channel, t, x, y, i, j;
};

// An image in tiles of 4 x 4 pixels, numbered through columns, rows and images alike.
struct WinogradImageStages {
  Halide::Func result;         // (channel, x, y, n); its update writes pixel (x, y) of tile t
  Halide::RDom pixels;         // (x, y, t)
  Halide::Expr tiles;          // how many there are
  Halide::Func output_rows;    // (channel, t, x, j)
  Halide::Func output_tile;    // (channel, t, x, y)
  Halide::Func products;       // (channel, t, i, j); its update adds up filter_tile * image.tile over reduction
  Halide::RDom reduction;      // reduced channels
  Halide::Func filter_source;  // (reduced, channel, s, r), as in memory, where that is not filter_panel's order
  Halide::Func filter_panel;   // (channel, reduced, s, r)
  Halide::Func filter_rows;    // (channel, reduced, i, r)
  Halide::Func filter_tile;    // (channel, reduced, i, j)
  TransformedTiles image;      // its channel is `reduced`
  Halide::Var channel, reduced, t, x, y, i, j, s, r;
};

// A filter gradient: a sum over tiles of 4 x 4 output pixels.
struct WinogradFilterStages {
  Halide::Func result;        // (k, c, s, r): the output
  Halide::Func output_rows;   // (k, c, s, j)
  Halide::Func output_tile;   // (k, c, s, r)
  Halide::Func products;      // (k, c, i, j); its update adds up input.tile * gradient.tile over reduction
  Halide::RDom reduction;     // tiles
  TransformedTiles input;     // 6 x 6, its channel is c
  TransformedTiles gradient;  // 4 x 4, its channel is k
  Halide::Var k, c, s, r, i, j;
};

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_WINOGRAD_H
