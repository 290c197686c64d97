// What a kernel's user_context points to: whose threads it may use and where its scratch is.
#ifndef CONVGRAD_RUNTIME_CALL_CONTEXT_H
#define CONVGRAD_RUNTIME_CALL_CONTEXT_H

#include <cstddef>
#include <cstdint>

#include "scratch.h"

namespace convgrad {

struct Parallel {
  int32_t num_threads;
  // As in convgrad_context_options; not used where num_threads is 1.
  void (*parallel_for)(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count);
  void *pool;
};

struct GpuCall;

struct CallContext {
  const Parallel *parallel;  // NULL inside a task: loops in there run serially
  ScratchStack *scratch;
  char *workspace;  // num_threads slots; the first one holds the end of `scratch` outside of tasks
  size_t slot_bytes;
  GpuCall *gpu = nullptr;  // of a call on a GPU
};

}  // namespace convgrad

#endif
