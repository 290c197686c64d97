// A context's threads, and loops on them.
#ifndef CONVGRAD_RUNTIME_PARALLEL_H
#define CONVGRAD_RUNTIME_PARALLEL_H

#include <cstdint>

namespace convgrad {

struct Parallel {
  int32_t num_threads;
  // As in convgrad_context_options, for run_tasks() alone; not used where num_threads is 1.
  void (*parallel_for)(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count);
  void *pool;
};

// Calls task(arg, i) once for each i in [0, count), at most num_threads, and returns when all are done. Each task runs
// in the caller's floating-point mode, so that results are the same bits whichever thread computes them.
void run_tasks(const Parallel &parallel, void (*task)(void *arg, int64_t index), void *arg, int64_t count);

}  // namespace convgrad

#endif
