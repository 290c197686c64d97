#include "divide/reduction_parts.h"

#include <algorithm>

#include "scratch_layout.h"

namespace convgrad {
namespace {

// So many tasks keep 64 cores busy. Parts cost what adding them up costs, so there have to be twice as many as the
// tasks that they replace: a part's own tasks run one after the other.
constexpr int64_t kTasks = 64;
// A part's result is written and read once more: with fewer pixels to a part that is more than a few percent of the
// time.
constexpr int64_t kLeastPixels = 512;
// All parts together are at most this fraction of the operands.
constexpr int64_t kOperandsPerPartial = 4;
// Rows of a part: whole panels of the usual schedules; columns where the image is one row.
constexpr int64_t kRows = 4, kColumns = 64;

// Exact: strides of 0 let a view have more elements than memory.
Wide elements(const View &view) { return Wide{view.size[0]} * view.size[1] * view.size[2] * view.size[3]; }

}  // namespace

ReductionParts reduction_parts(const Kernel &kernel, const Normalized &problem) {
  const ReductionParts whole;
  if (result_of(problem.op) != FILTER || !kernel.has_known_tasks() || problem.groups != 1) return whole;
  if (!kDtypes[problem.dtype].sums_as_stored) return whole;  // a part's result would be rounded
  const int64_t tasks = divide_up(problem.in_channels, kernel.task.in_channels) *
                        divide_up(problem.out_channels, kernel.task.out_channels);
  const int axis = problem.axis[HEIGHT].out > 1 ? HEIGHT : WIDTH;
  const int64_t rows = problem.axis[axis].out;
  const Wide pixels = Wide{problem.batch} * problem.axis[HEIGHT].out * problem.axis[WIDTH].out;
  const Wide operands = elements(problem.view[INPUT]) + elements(problem.view[OUTPUT]);
  const Wide room = operands / kOperandsPerPartial / elements(problem.view[FILTER]) + 1;
  const int64_t wanted = static_cast<int64_t>(std::min({Wide{kTasks}, pixels / kLeastPixels, room}));
  if (wanted < 2) return whole;
  const int64_t tile = std::max(kernel.pixel_tile, 1);  // parts have whole ones
  const int64_t unit = divide_up(axis == HEIGHT ? kRows : kColumns, tile) * tile;
  ReductionParts parts = {0, axis, divide_up(divide_up(rows, wanted), unit) * unit};
  parts.count = divide_up(rows, parts.rows);
  if (parts.count < 2 * tasks) return whole;
  Text ignored;
  return fits_int32(part_of(problem, parts, parts.count - 1), kOps[problem.op], &ignored) ? parts : whole;
}

Normalized part_of(const Normalized &problem, const ReductionParts &parts, int64_t index) {
  Normalized part = problem;
  const int64_t first = index * parts.rows;
  crop(&part, OUTPUT, parts.axis, first, std::min(parts.rows, problem.axis[parts.axis].out - first));
  return part;
}

View partial_view(const View &filter) {
  View view = filter;
  view.offset = 0;
  int64_t step = 1;
  for (int i = 0; i < 4; ++i) {
    view.stride[i] = step;
    step *= view.size[i];
  }
  return view;
}

size_t partial_bytes(const Normalized &problem) {
  return scratch_layout::in_lines(static_cast<size_t>(elements(problem.view[FILTER])) *
                                  static_cast<size_t>(dtype_size(problem.dtype)));
}

}  // namespace convgrad
