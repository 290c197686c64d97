// From what the caller asked to what a kernel computes: pads explicit, layouts as strides, cases without arithmetic
// answered, what meets no input dropped, 1x1 folded, groups peeled.
#ifndef CONVGRAD_RUNTIME_NORMALIZE_H
#define CONVGRAD_RUNTIME_NORMALIZE_H

#include "last_error.h"
#include "problem.h"

namespace convgrad {

// A part of a tensor, in elements; dimensions are Halide's, innermost first.
struct View {
  int64_t offset;  // of the first element from the tensor's
  int64_t size[4];
  int64_t stride[4];
};

inline void crop(View *view, int dimension, int64_t first, int64_t size) {
  view->offset += first * view->stride[dimension];
  view->size[dimension] = size;
}

struct Normalized {
  convgrad_op op;
  convgrad_dtype dtype;
  int64_t batch, in_channels, out_channels, groups;  // channels of one group
  Axis axis[2];
  View view[3];           // by Role; group 0
  int64_t group_step[3];  // elements from one group's view to the next one's
  bool fill;              // the result is filled with zeros before a kernel runs: none writes all of it
  bool run;               // false: there is nothing to add up
};

// Leaves `size` rows (or columns) of the input or the output, from `first` on, which meet what they met.
void crop(Normalized *problem, Role image, int axis, int64_t first, int64_t size);

constexpr int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// What is left of an axis once taps and positions that meet no input are gone. `before` is adjusted.
struct TrimmedAxis {
  Axis axis;
  int64_t first_tap, first_out;
};

// False: no tap of any position meets an input.
bool trim_axis(const Axis &axis, TrimmedAxis *trimmed);

// `trim`: drop what meets no input. Without it the filter keeps its size, as kernels for a fixed one want it.
Normalized normalize(const Problem &problem, bool trim = true);

// The most pixels along a side of a register tile: the schedules' parameters allow no more. (Vectors along the width
// round up further, but no coordinate of theirs beyond an image is multiplied by a stride.)
constexpr int64_t kMaxTile = 32;

// Halide's coordinates and sizes in bytes are int32. False: `reason` names what is too large.
bool fits_int32(const Normalized &problem, const OpInfo &op, Text *reason);

// The sub-problem of one phase of a strided backprop_input along one axis, for kernels that compute stride 1: the
// input's rows first_row, first_row + stride, ... meet the filter's taps first_tap, first_tap + tap_step, ... only,
// and output row p meets tap j at coordinate p + j * dilation of those rows, the first of which has coordinate `min`.
struct Phase {
  int64_t first_row, rows;
  int64_t first_tap, taps, tap_step;
  int64_t dilation, min;
};

// How many phases have taps. Rows of the others get zeros.
int64_t phase_count(const Axis &axis);
// Whether some row belongs to no phase with taps.
bool phases_leave_rows(const Axis &axis);
Phase phase_at(const Axis &axis, int64_t index);

// The rows of phase `a` of an axis: those h with (h + before) mod stride == a. `min` is (first_row + before - a) /
// stride.
struct PhaseRows {
  int64_t first_row, rows, min;
};
PhaseRows phase_rows(const Axis &axis, int64_t a);

}  // namespace convgrad

#endif
