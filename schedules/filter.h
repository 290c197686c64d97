// The stages of families whose result is a filter: dw of backprop_filter.
#ifndef CONVGRAD_SCHEDULES_FILTER_H
#define CONVGRAD_SCHEDULES_FILTER_H

#include "schedules/schedule.h"

namespace convgrad {

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

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_FILTER_H
