// What a kernel's user_context points to: whose threads it may use and where its scratch is.
#ifndef CONVGRAD_RUNTIME_CALL_CONTEXT_H
#define CONVGRAD_RUNTIME_CALL_CONTEXT_H

#include <cstddef>

#include "parallel.h"
#include "scratch.h"

namespace convgrad {

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
