#include "reduction_parts.h"

#include <algorithm>
#include <atomic>

#include "take_run.h"

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
// Rows of a part: whole Winograd tiles, and whole panels of the usual schedules; columns where the image is one row.
constexpr int64_t kRows = 4, kColumns = 64;

int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// Exact: strides of 0 let a view have more elements than memory.
Wide elements(const View &view) { return Wide{view.size[0]} * view.size[1] * view.size[2] * view.size[3]; }

Normalized part_of(const Normalized &problem, const ReductionParts &parts, int64_t index) {
  Normalized part = problem;
  Axis &axis = part.axis[parts.axis];
  View &out = part.view[OUTPUT];
  const int dimension = image_dimension(parts.axis);
  const int64_t first = index * parts.rows;
  axis.out = out.size[dimension] = std::min(parts.rows, axis.out - first);
  axis.before -= Wide{first} * axis.stride;
  out.offset += first * out.stride[dimension];
  return part;
}

// The filter without gaps.
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

struct Work {
  const Kernel &kernel;
  const Normalized &problem;
  const ReductionParts &parts;
  const Place *first;
  char *partials;
  const CallContext &context;
  int64_t tasks;  // that share them
  std::atomic<int64_t> next;
  std::atomic<int> error;
};

// One of the threads' loops over parts, with a slot of scratch to itself.
void compute_parts(void *arg, int64_t slot) {
  Work &work = *static_cast<Work *>(arg);
  const CallContext &call = work.context;
  ScratchStack scratch(call.workspace + static_cast<size_t>(slot) * call.slot_bytes, call.slot_bytes);
  CallContext serial = {nullptr, &scratch, nullptr, 0};
  while (work.error.load(std::memory_order_relaxed) == 0) {
    const int64_t index = work.next.fetch_add(1, std::memory_order_relaxed);
    if (index >= work.parts.count) return;
    Normalized part = part_of(work.problem, work.parts, index);
    Place place[3] = {work.first[INPUT], work.first[FILTER], work.first[OUTPUT]};
    if (index > 0) {
      part.view[FILTER] = partial_view(part.view[FILTER]);
      place[FILTER] = host_place(work.partials + static_cast<size_t>(index - 1) * partial_bytes(part));
    }
    if (const int error = launch(work.kernel, part, place, &serial)) {
      work.error.store(error, std::memory_order_relaxed);
    }
  }
}

// Adds the partial results to one vector of output channels after the other.
void add_parts(void *arg, int64_t) {
  Work &work = *static_cast<Work *>(arg);
  const View &filter = work.problem.view[FILTER];
  const View partial = partial_view(filter);
  const size_t bytes = partial_bytes(work.problem);
  float *const result = reinterpret_cast<float *>(work.first[FILTER].memory) + filter.offset;
  const int64_t channels = filter.size[0], vectors = filter.size[1] * filter.size[2] * filter.size[3];
  for (int64_t at, last; take_run(&work.next, vectors, work.tasks, &at, &last);) {
    for (; at < last; ++at) {
      const int64_t c = at % filter.size[1], s = at / filter.size[1] % filter.size[2];
      const int64_t r = at / filter.size[1] / filter.size[2];
      float *to = result + c * filter.stride[1] + s * filter.stride[2] + r * filter.stride[3];
      for (int64_t part = 1; part < work.parts.count; ++part) {
        const float *from = reinterpret_cast<const float *>(work.partials + static_cast<size_t>(part - 1) * bytes) +
                            at * partial.stride[1];
        for (int64_t k = 0; k < channels; ++k) to[k] += from[k];
      }
    }
  }
}

void run(const Parallel &parallel, void (*task)(void *, int64_t), Work *work, int64_t most) {
  work->tasks = std::min<int64_t>(parallel.num_threads, most);
  work->next.store(0);
  if (work->tasks > 1) {
    parallel.parallel_for(parallel.pool, task, work, work->tasks);
  } else {
    task(work, 0);
  }
}

}  // namespace

ReductionParts reduction_parts(const Kernel &kernel, const Normalized &problem) {
  const ReductionParts whole;
  if (kernel.block[0] == 0 || problem.groups != 1 || kernel.dtype != CONVGRAD_FLOAT32) return whole;
  const int64_t tasks =
      divide_up(problem.in_channels, kernel.block[0]) * divide_up(problem.out_channels, kernel.block[1]);
  const int axis = problem.axis[HEIGHT].out > 1 ? HEIGHT : WIDTH;
  const int64_t rows = problem.axis[axis].out;
  const Wide pixels = Wide{problem.batch} * problem.axis[HEIGHT].out * problem.axis[WIDTH].out;
  const Wide operands = elements(problem.view[INPUT]) + elements(problem.view[OUTPUT]);
  const Wide room = operands / kOperandsPerPartial / elements(problem.view[FILTER]) + 1;
  const int64_t wanted = static_cast<int64_t>(std::min({Wide{kTasks}, pixels / kLeastPixels, room}));
  if (wanted < 2) return whole;
  const int64_t unit = axis == HEIGHT ? kRows : kColumns;
  ReductionParts parts = {0, axis, divide_up(divide_up(rows, wanted), unit) * unit};
  parts.count = divide_up(rows, parts.rows);
  if (parts.count < 2 * tasks) return whole;
  Text ignored;
  const OpInfo names = {problem.op, "", {"", "", ""}, {INPUT, OUTPUT, FILTER}};
  return fits_int32(part_of(problem, parts, parts.count - 1), names, &ignored) ? parts : whole;
}

size_t partial_bytes(const Normalized &problem) {
  constexpr size_t kLine = CONVGRAD_WORKSPACE_ALIGNMENT;
  const size_t bytes = static_cast<size_t>(elements(problem.view[FILTER])) * sizeof(float);
  return (bytes + kLine - 1) / kLine * kLine;
}

int launch_in_parts(const Kernel &kernel, const Normalized &problem, const ReductionParts &parts, const Place first[3],
                    char *partials, const CallContext &context) {
  Work work = {kernel, problem, parts, first, partials, context, 0, {0}, {0}};
  run(*context.parallel, compute_parts, &work, parts.count);
  if (const int error = work.error.load()) return error;
  run(*context.parallel, add_parts, &work, parts.count);
  return 0;
}

}  // namespace convgrad
