// The seam between what is computed (generators/) and how (schedules/): a generator hands over its stages by name, a
// schedule family gives them loops, storage and vectors. No arithmetic in schedules, no directive in generators.
#ifndef CONVGRAD_SCHEDULES_SCHEDULE_H
#define CONVGRAD_SCHEDULES_SCHEDULE_H

#include <Halide.h>

#include <functional>
#include <string>
#include <vector>

namespace convgrad {

struct ImageScheduleParams {
#define CONVGRAD_IMAGE_PARAM(name, preset, least, most, meaning) int name = preset;
#include "schedules/schedule_params.inc"
  int lanes = 0;  // elements in a vector of the target

  const char *broken_rule() const {  // what it says; NULL: none is broken
#define CONVGRAD_IMAGE_RULE(expression, meaning) \
  if (!(expression)) return meaning;
#include "schedules/schedule_params.inc"
    return nullptr;
  }
};

struct FilterScheduleParams {
#define CONVGRAD_FILTER_PARAM(name, preset, least, most, meaning) int name = preset;
#include "schedules/schedule_params.inc"
  int lanes = 0;

  const char *broken_rule() const {  // what it says; NULL: none is broken
#define CONVGRAD_FILTER_RULE(expression, meaning) \
  if (!(expression)) return meaning;
#include "schedules/schedule_params.inc"
    return nullptr;
  }
};

// Prefetches what a stage's loop will read of some tensors in its next round, some of it before each computation of a
// tile inside (generators/spread_prefetches.h). Specializations of the stage are stages, too.
using Prefetch = std::function<void(const std::vector<Halide::Stage> &stages, const Halide::VarOrRVar &loop,
                                    const Halide::Func &tile)>;

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
  Halide::Func pixels{"pixels"};  // (x * tile_vectors + channel % tile_vectors, channel / tile_vectors, y, n): the
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
  Halide::Expr result_in_one_run;    // whether the result has just tile_vectors channels and nothing between pixels
};

// A filter gradient: a sum over output pixels.
struct FilterStages {
  Halide::Func result;          // (k, c, s, r): the output
  Halide::Func sum;             // (k, c, s, r); its update adds up input_panel * gradient_panel over reduction
  Halide::RDom reduction;       // (output column q, output row p, image n)
  Halide::Func input_panel;     // (c, x, y, n), or (c, q, p, n, s, r) where panel_of_one_tap
  Halide::Func gradient_panel;  // (k, q, p, n)
  Halide::Var k, c, s, r, x, y, n;
  Prefetch prefetch;  // of both operands

  bool panel_of_one_tap = false;                      // as in ImageStages
  std::function<int(int)> panel_width, panel_height;  // of input_panel, for so many output columns (rows)
  // As in ImageStages; of a direct algorithm on a CPU, whether channels come in whole vectors.
  Halide::Expr input_contiguous, gradient_contiguous;

  // On a GPU the reduction is (column, row, panel) of one part of the pixels; sum and partial, which holds it, have
  // part as a fifth dimension, and total adds up the parts for the result.
  Halide::Func partial, total;
  Halide::Var part;
  Halide::RDom all_parts;
  int taps_x = 1;  // how many columns of the filter a block computes: all of a direct algorithm's
};

// Schedules for CPUs: register tiles over packed panels, tasks of independent tiles of the result. All scratch is on
// the heap, inside tasks, with sizes known at compile time.
void schedule_image_on_cpu(const ImageStages &stages, const ImageScheduleParams &params);
void schedule_image_along_width(const AlongWidthStages &stages, const ImageScheduleParams &params);
void schedule_filter_on_cpu(const FilterStages &stages, const FilterScheduleParams &params);

// A result that is zero everywhere, such as a phase of backprop_input that no filter tap reaches.
void schedule_zeros_on_cpu(Halide::Func result, int lanes);

// Schedules for GPUs, the same for CUDA and OpenCL: blocks of the result, threads of register tiles.
void schedule_image_on_gpu(const ImageStages &stages, const ImageScheduleParams &params);
void schedule_filter_on_gpu(const FilterStages &stages, const FilterScheduleParams &params);
void schedule_zeros_on_gpu(Halide::Func result);

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_SCHEDULE_H
