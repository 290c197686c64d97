// The stages of families whose result is an image: y of conv2d, dx of backprop_input.
#ifndef CONVGRAD_SCHEDULES_IMAGE_H
#define CONVGRAD_SCHEDULES_IMAGE_H

#include "schedules/schedule.h"

namespace convgrad {

// An image that is a sum over filter taps and channels: y of conv2d, dx (or one phase of it) of backprop_input.
struct ImageStages {
  Halide::Func result;     // (channel, x, y, n): the output
  Halide::Func sum;        // (channel, x, y, n), or (channel of the tile, x, y, n, filter_tile), as filter_panel; its
                           // update adds up filter_panel * image_panel over reduction
  Halide::RDom reduction;  // (reduced channel, filter column, filter row)
  Halide::Func filter_panel;  // (channel, reduced, s, r), or where filter_tiles is defined, all of the filter packed
                              // once a call: (channel of the tile, reduced, s, r, filter_tile)
  Halide::Func image_panel;   // (reduced, x, y, n), or (reduced, x, y, n, s, r) where panel_of_one_tap
  Halide::Var channel, reduced, x, y, n, s, r;
  Prefetch prefetch;  // of the tensor that image_panel is filled from
  Halide::Var filter_tile{"filter_tile"};
  Halide::Expr filter_tiles;  // how many register tiles' channels the result has

  // False: image_panel is a piece of the image that every tap of the filter reads, the filter's size being a constant.
  // True: it is what a single tap reads, so that its size does not depend on the filter's, the stride or the dilation.
  bool panel_of_one_tap = false;
  // How many columns (rows) of image_panel so many columns (rows) of the result read.
  std::function<int(int)> panel_width, panel_height;
  // How many taps filter_panel has; 0: known only at run time.
  int taps = 0;
  // Whether the filter's memory runs along the reduced channels (and not along the result's).
  bool filter_rows_are_reduced = false;
  // When channels are worth a vector's load: on a CPU where any memory layout is accepted and they happen to be
  // contiguous, on a GPU where they also come in whole vectors. Undefined: always, or never for a filter whose rows are
  // reduced.
  Halide::Expr filter_contiguous, image_contiguous;
};

// dx of backprop_input, for images of few channels: columns innermost, and all phases of a stride in one result.
struct AlongWidthStages {
  struct Sum {
    Halide::Func tile;       // (channel, x, y, n), of one phase; its update adds up the filter * panel over reduction
    Halide::RDom reduction;  // (reduced channel, filter column, filter row)
  };
  Halide::Func result;            // (channel, x, y, n): the output
  Halide::Func pixels{"pixels"};  // (x * tile_channels + channel % tile_channels, channel / tile_channels, y, n): the
                                  // same, counted from 0
  std::vector<Sum> sums;
  Halide::Func panel{"panel"};        // (x, reduced, y, n): out_backprop
  std::vector<Halide::Func> squares;  // (e, x / lanes, reduced / lanes, y, n): lanes * lanes values of it, the first in
                                      // memory's order, each next half as far from the panel's
  Halide::Var channel, reduced, x, y, n, e;
  Prefetch prefetch;                 // of out_backprop
  int step_x = 1, step_y = 1;        // of the pixels of a phase
  int halo_x = 0, halo_y = 0;        // how many more columns (rows) of the panel are read than a phase has
  Halide::Expr gradient_in_vectors;  // whether the reduced channels come in whole vectors
  Halide::Expr result_in_one_run;    // whether the result has just tile_channels channels and nothing between pixels
};

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_IMAGE_H
