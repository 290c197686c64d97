#include "divide/pieces.h"

#include <algorithm>
#include <atomic>
#include <type_traits>

#include "divide/take_run.h"

namespace convgrad {
namespace {

struct Work {
  const Kernel &kernel;
  const Normalized &problem;
  const Pieces &pieces;
  const Place *first;
  char *partials;
  const CallContext &context;
  int64_t tasks;  // that share them
  std::atomic<int64_t> next;
  std::atomic<int> error;
};

// Compiled apart, as launch()'s steps are: what it needs to come by the piece is off the stack when the kernel runs.
__attribute__((noinline)) Normalized piece_of(const Work &work, int64_t part, int64_t slice) {
  Normalized piece = work.problem;
  if (work.pieces.parts.count > 1) piece = part_of(work.problem, work.pieces.parts, part);
  if (part > 0) piece.view[FILTER] = partial_view(piece.view[FILTER]);
  return slice_of(piece, work.pieces.slices, slice);
}

int compute_piece(const Work &work, int64_t index, CallContext *context) {
  const int64_t slices = work.pieces.slices.all(), part = index / slices;
  Place place[3] = {work.first[INPUT], work.first[FILTER], work.first[OUTPUT]};
  if (part > 0) {
    place[FILTER] = host_place(work.partials + static_cast<size_t>(part - 1) * partial_bytes(work.problem));
  }
  return launch(work.kernel, piece_of(work, part, index % slices), place, context);
}

// One of the threads' loops over pieces, with a slot of scratch to itself.
void compute_pieces(void *arg, int64_t slot) {
  Work &work = *static_cast<Work *>(arg);
  const CallContext &call = work.context;
  ScratchStack scratch(call.workspace + static_cast<size_t>(slot) * call.slot_bytes, call.slot_bytes);
  CallContext serial = {nullptr, &scratch, nullptr, 0};
  while (work.error.load(std::memory_order_relaxed) == 0) {
    const int64_t index = work.next.fetch_add(1, std::memory_order_relaxed);
    if (index >= work.pieces.count()) return;
    if (const int error = compute_piece(work, index, &serial)) work.error.store(error, std::memory_order_relaxed);
  }
}

// Adds the partial results to one vector of output channels after the other.
template <typename Element>
void add_parts(void *arg, int64_t) {
  Work &work = *static_cast<Work *>(arg);
  const View &filter = work.problem.view[FILTER];
  const View partial = partial_view(filter);
  const size_t bytes = partial_bytes(work.problem);
  Element *const result = reinterpret_cast<Element *>(work.first[FILTER].memory) + filter.offset;
  const int64_t channels = filter.size[0], vectors = filter.size[1] * filter.size[2] * filter.size[3];
  for (int64_t at, last; take_run(&work.next, vectors, work.tasks, &at, &last);) {
    for (; at < last; ++at) {
      const int64_t c = at % filter.size[1], s = at / filter.size[1] % filter.size[2];
      const int64_t r = at / filter.size[1] / filter.size[2];
      Element *to = result + c * filter.stride[1] + s * filter.stride[2] + r * filter.stride[3];
      for (int64_t part = 1; part < work.pieces.parts.count; ++part) {
        const Element *from = reinterpret_cast<const Element *>(work.partials + static_cast<size_t>(part - 1) * bytes) +
                              at * partial.stride[1];
        for (int64_t k = 0; k < channels; ++k) to[k] += from[k];
      }
    }
  }
}

// By the element type; those whose sums have another have no parts.
constexpr void (*kAddParts[])(void *, int64_t) = {
#define CONVGRAD_DTYPE(constant, name, halide, storage, accumulator, bytes, eps) \
  std::is_same_v<storage, accumulator> ? add_parts<accumulator> : nullptr,
#include "dtypes.inc"
#undef CONVGRAD_DTYPE
};

void run(const Parallel &parallel, void (*task)(void *, int64_t), Work *work) {
  work->tasks = std::min<int64_t>(parallel.num_threads, work->pieces.count());
  work->next.store(0);
  if (work->tasks > 1) {
    run_tasks(parallel, task, work, work->tasks);
  } else {
    task(work, 0);
  }
}

}  // namespace

int launch_in_pieces(const Kernel &kernel, const Normalized &problem, const Pieces &pieces, const Place first[3],
                     char *partials, const CallContext &context) {
  Work work = {kernel, problem, pieces, first, partials, context, 0, {0}, {0}};
  run(*context.parallel, compute_pieces, &work);
  if (const int error = work.error.load()) return error;
  if (pieces.parts.count > 1) run(*context.parallel, kAddParts[problem.dtype], &work);
  return 0;
}

}  // namespace convgrad
