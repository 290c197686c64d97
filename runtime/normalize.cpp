#include "normalize.h"

#include <algorithm>
#include <limits>

namespace convgrad {
namespace {

// Kernels compute in int32, without a check: positions, rounded up to whole register tiles; the coordinates under them;
// and each coordinate times its stride, before the padding's share is taken off again.
constexpr Wide kMaxInt32 = std::numeric_limits<int32_t>::max();
// Of a coordinate, so that the difference and the sum of two are an int32 too.
constexpr Wide kMaxCoordinate = Wide{1} << 30;

// Of a divisor above 0, rounding down and up.
Wide floor_div(Wide a, Wide b) { return a / b - (a % b < 0 ? 1 : 0); }
Wide ceil_div(Wide a, Wide b) { return a / b + (a % b > 0 ? 1 : 0); }

int64_t floor_mod(Wide a, int64_t b) { return static_cast<int64_t>(a - floor_div(a, b) * b); }

int64_t greatest_common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

bool empty(const View &view) {
  return view.size[0] == 0 || view.size[1] == 0 || view.size[2] == 0 || view.size[3] == 0;
}

// A stride is of no account where there is one tap, or one position.
void simplify_axis(Axis *axis) {
  if (axis->taps == 1) axis->dilation = 1;
  if (axis->out == 1) axis->stride = 1;
}

// Whether `outer` continues where `inner` ends, so that both can be one dimension.
bool mergeable(const View &view, int inner, int outer) {
  if (view.size[inner] == 1 || view.size[outer] == 1) return true;
  Wide end = Wide{view.size[inner]} * view.stride[inner];
  return end == view.stride[outer];
}

void merge(View *view, int inner, int outer) {
  if (view->size[inner] == 1) view->stride[inner] = view->stride[outer];
  view->size[inner] *= view->size[outer];
  view->size[outer] = 1;
}

// 1x1, stride 1, no padding: pixels do not know where they are, so rows and images become one long row.
void fold(Normalized *problem) {
  for (const Axis &axis : problem->axis) {
    if (axis.taps != 1 || axis.stride != 1 || axis.before != 0 || axis.out != axis.in) return;
  }
  View &in = problem->view[INPUT];
  View &out = problem->view[OUTPUT];
  if (!mergeable(in, 1, 2) || !mergeable(out, 1, 2)) return;
  merge(&in, 1, 2);
  merge(&out, 1, 2);
  if (mergeable(in, 1, 3) && mergeable(out, 1, 3)) {
    merge(&in, 1, 3);
    merge(&out, 1, 3);
  }
  problem->batch = in.size[3];
  problem->axis[HEIGHT].in = problem->axis[HEIGHT].out = 1;
  problem->axis[WIDTH].in = problem->axis[WIDTH].out = in.size[1];
  simplify_axis(&problem->axis[HEIGHT]);
  simplify_axis(&problem->axis[WIDTH]);
}

// What a kernel adds up for a coordinate, whatever the order of the terms: no partial sum leaves [-below, above].
struct Range {
  Wide below, above;
  Wide step;  // how many of the image's rows lie between two coordinates
  Wide widest() const { return std::max(below, above); }
};

// Of an image along an axis.
Range image_range(convgrad_op op, const Axis &axis, Role role) {
  const Wide before = axis.before;
  const Wide padded = std::max<Wide>(before, 0), cut = std::max<Wide>(-before, 0);
  const Wide taps = (Wide{axis.taps} - 1) * axis.dilation;
  if (op != CONVGRAD_OP_CONV2D_BACKPROP_INPUT) {
    if (role == OUTPUT) return {0, Wide{axis.out} + kMaxTile, 1};
    const Wide last = (Wide{axis.out} - 1 + kMaxTile) * axis.stride + taps;
    return {padded, std::max(last, before + axis.in) + cut, 1};
  }
  // Of a phase: `min` of phase_at() and phase_rows() lies in [-below, above].
  const Wide below = (cut + taps) / axis.stride + 1, above = (padded + axis.stride) / axis.stride;
  const Wide rows = (Wide{axis.in} + axis.stride - 1) / axis.stride;
  const Wide last = above + rows + kMaxTile;
  // The output is read at a row of the phase less a tap; the input's rows of a phase are `stride` apart, where it has
  // more than one.
  if (role == OUTPUT) return {below + taps / axis.stride, last, 1};
  return {std::max(below, above), last + below, rows > 1 ? Wide{axis.stride} : Wide{0}};
}

}  // namespace

bool trim_axis(const Axis &axis, TrimmedAxis *trimmed) {
  if (axis.in == 0 || axis.taps == 0 || axis.out == 0) return false;
  Wide first_tap = 0, last_tap = Wide{axis.taps} - 1;
  Wide first_out = 0, last_out = Wide{axis.out} - 1;
  const Wide last_in = Wide{axis.in} - 1;
  // Fewer taps can leave fewer positions and the other way round; what is left after some rounds is small enough.
  for (int round = 0; round < 4; ++round) {
    first_tap = std::max(first_tap, ceil_div(axis.before - last_out * axis.stride, axis.dilation));
    last_tap = std::min(last_tap, floor_div(last_in + axis.before - first_out * axis.stride, axis.dilation));
    if (first_tap > last_tap) return false;
    first_out = std::max(first_out, ceil_div(axis.before - last_tap * axis.dilation, axis.stride));
    last_out = std::min(last_out, floor_div(last_in + axis.before - first_tap * axis.dilation, axis.stride));
    if (first_out > last_out) return false;
  }
  trimmed->first_tap = static_cast<int64_t>(first_tap);
  trimmed->first_out = static_cast<int64_t>(first_out);
  trimmed->axis = axis;
  trimmed->axis.taps = static_cast<int64_t>(last_tap - first_tap + 1);
  trimmed->axis.out = static_cast<int64_t>(last_out - first_out + 1);
  trimmed->axis.before = axis.before - first_tap * axis.dilation - first_out * axis.stride;
  simplify_axis(&trimmed->axis);
  return true;
}

Normalized normalize(const Problem &problem, bool trim) {
  Normalized result;
  result.op = problem.op;
  result.dtype = problem.dtype;
  result.batch = problem.batch;
  result.groups = problem.groups;
  result.in_channels = problem.in_channels / problem.groups;
  result.out_channels = problem.out_channels / problem.groups;
  for (int role = 0; role < 3; ++role) {
    View &view = result.view[role];
    view.offset = 0;
    for (int i = 0; i < 4; ++i) {
      view.size[i] = problem.tensor[role].size[i];
      view.stride[i] = problem.tensor[role].stride[i];
    }
  }
  View &in = result.view[INPUT];
  View &filter = result.view[FILTER];
  View &out = result.view[OUTPUT];
  in.size[0] = result.in_channels;
  filter.size[0] = out.size[0] = result.out_channels;
  // A single group has no next one, and its step may not be representable.
  const bool grouped = result.groups > 1;
  result.group_step[INPUT] = grouped ? result.in_channels * in.stride[0] : 0;
  result.group_step[FILTER] = grouped ? result.out_channels * filter.stride[0] : 0;
  result.group_step[OUTPUT] = grouped ? result.out_channels * out.stride[0] : 0;

  for (int i = 0; i < 2; ++i) {
    result.axis[i] = problem.axis[i];
    simplify_axis(&result.axis[i]);
  }
  const Role result_role = result_of(problem.op);
  result.fill = problem.tensor[result_role].span > 0;
  result.run = false;
  if (!result.fill || empty(in) || empty(filter) || empty(out)) return result;
  TrimmedAxis trimmed[2];
  for (int i = 0; i < 2; ++i) {
    if (!trim_axis(problem.axis[i], &trimmed[i])) return result;
  }
  result.run = true;
  result.fill = false;
  if (!trim) return result;

  for (int i = 0; i < 2; ++i) {
    const bool fewer_taps = trimmed[i].axis.taps < problem.axis[i].taps;
    const bool fewer_out = trimmed[i].axis.out < problem.axis[i].out;
    if ((fewer_taps && result_role == FILTER) || (fewer_out && result_role == OUTPUT)) result.fill = true;
    const int tap_dimension = filter_dimension(i);
    const int out_dimension = image_dimension(i);
    filter.offset += trimmed[i].first_tap * filter.stride[tap_dimension];
    filter.size[tap_dimension] = trimmed[i].axis.taps;
    out.offset += trimmed[i].first_out * out.stride[out_dimension];
    out.size[out_dimension] = trimmed[i].axis.out;
    result.axis[i] = trimmed[i].axis;
  }
  fold(&result);
  return result;
}

bool fits_int32(const Normalized &problem, const OpInfo &op, Text *reason) {
  for (int role = 0; role < 3; ++role) {
    const View &view = problem.view[role];
    Wide span = 1;
    for (int i = 0; i < 4; ++i) {
      if (view.size[i] > 1) span += (Wide{view.size[i]} - 1) * view.stride[i];
    }
    span *= dtype_size(problem.dtype);
    if (span > kMaxInt32) {
      reason->append("%s spans %lld bytes, kernels address at most %lld", op.argument_of(static_cast<Role>(role)),
                     static_cast<long long>(span), static_cast<long long>(kMaxInt32));
      return false;
    }
  }
  Range range[2][2];  // by axis; of the input and the output
  for (int i = 0; i < 2; ++i) {
    const Axis &axis = problem.axis[i];
    range[i][0] = image_range(problem.op, axis, INPUT);
    range[i][1] = image_range(problem.op, axis, OUTPUT);
    if (axis.stride > kMaxCoordinate || axis.dilation > kMaxCoordinate || range[i][0].widest() > kMaxCoordinate ||
        range[i][1].widest() > kMaxCoordinate) {
      reason->append(
          "strides [%lld,%lld], dilations [%lld,%lld] or paddings need coordinates above %lld, the most that "
          "kernels take",
          static_cast<long long>(problem.axis[HEIGHT].stride), static_cast<long long>(problem.axis[WIDTH].stride),
          static_cast<long long>(problem.axis[HEIGHT].dilation), static_cast<long long>(problem.axis[WIDTH].dilation),
          static_cast<long long>(kMaxCoordinate));
      return false;
    }
  }
  for (Role role : {INPUT, OUTPUT}) {
    const View &view = problem.view[role];
    Wide below = 0, above = 0;
    for (int i = 0; i < 4; ++i) {
      if (view.size[i] <= 1) continue;  // kernels get a stride of 0
      const bool spatial = i == image_dimension(WIDTH) || i == image_dimension(HEIGHT);
      const Range reach = spatial ? range[i == image_dimension(HEIGHT) ? HEIGHT : WIDTH][role == INPUT ? 0 : 1]
                                  : Range{0, Wide{view.size[i]} - 1, 1};
      below += reach.below * reach.step * view.stride[i];
      above += reach.above * reach.step * view.stride[i];
    }
    if (std::max(below, above) > kMaxInt32) {
      reason->append(
          "coordinates in %s, rounded up to whole tiles of up to %lld rows, times its strides exceed %lld elements, "
          "the "
          "most that kernels take (strides [%lld,%lld], dilations [%lld,%lld])",
          op.argument_of(role), static_cast<long long>(kMaxTile), static_cast<long long>(kMaxInt32),
          static_cast<long long>(problem.axis[HEIGHT].stride), static_cast<long long>(problem.axis[WIDTH].stride),
          static_cast<long long>(problem.axis[HEIGHT].dilation), static_cast<long long>(problem.axis[WIDTH].dilation));
      return false;
    }
  }
  return true;
}

PhaseRows phase_rows(const Axis &axis, int64_t a) {
  PhaseRows rows;
  rows.first_row = floor_mod(Wide{a} - axis.before, axis.stride);
  rows.rows = rows.first_row < axis.in ? (axis.in - 1 - rows.first_row) / axis.stride + 1 : 0;
  rows.min = static_cast<int64_t>((rows.first_row + axis.before - a) / axis.stride);  // exact
  return rows;
}

int64_t phase_count(const Axis &axis) {
  return std::min(axis.taps, axis.stride / greatest_common_divisor(axis.stride, axis.dilation));
}

bool phases_leave_rows(const Axis &axis) { return phase_count(axis) < axis.stride; }

Phase phase_at(const Axis &axis, int64_t index) {
  // Taps that differ by a multiple of stride / gcd(stride, dilation) meet the same rows.
  const int64_t divisor = greatest_common_divisor(axis.stride, axis.dilation);
  const Wide shift = Wide{index} * axis.dilation;
  const PhaseRows rows = phase_rows(axis, floor_mod(shift, axis.stride));
  Phase phase;
  phase.first_row = rows.first_row;
  phase.rows = rows.rows;
  phase.first_tap = index;
  phase.tap_step = axis.stride / divisor;
  phase.taps = (axis.taps - 1 - index) / phase.tap_step + 1;
  phase.dilation = phase.taps == 1 ? 1 : axis.dilation / divisor;
  phase.min = static_cast<int64_t>((rows.first_row + axis.before - shift) / axis.stride);  // exact
  return phase;
}

void crop(Normalized *problem, Role image, int axis, int64_t first, int64_t size) {
  crop(&problem->view[image], image_dimension(axis), first, size);
  Axis &of = problem->axis[axis];
  if (image == OUTPUT) {
    of.out = size;
    of.before -= Wide{first} * of.stride;
  } else {
    of.in = size;
    of.before += first;
  }
}

}  // namespace convgrad
