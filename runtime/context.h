// What a context decided once, and calls and plans then follow.
#ifndef CONVGRAD_RUNTIME_CONTEXT_H
#define CONVGRAD_RUNTIME_CONTEXT_H

#include "api.h"
#include "call_context.h"
#include "choose_kernel.h"
#include "memory.h"
#include "thread_pool.h"

namespace convgrad {

struct Gpu;

struct Settings {
  Choice choice;
  bool verbose;
  Parallel parallel;
  Memory memory;
  ThreadPool *threads;  // our own; NULL: the application's, or none
  Gpu *gpu;             // NULL: a CPU
};

// A reference more, and one less, to what contexts and plans share.
void retain(const Settings &settings);
void release(const Settings &settings);

// The context's settings, or the default context's for NULL. NULL: the status is set, and the error's text.
const Settings *settings_of(const convgrad_context *context, convgrad_status *status);

}  // namespace convgrad

struct convgrad_context {
  convgrad::Settings settings;
};

#endif
