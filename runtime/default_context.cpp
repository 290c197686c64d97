// What NULL stands for: a context that is made at its first use. A child made by fork makes its own, because the
// threads of its parent's are not there.
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "context.h"
#include "last_error.h"
#include "os/fork_safe_lock.h"
#include "os/no_cancellation.h"

namespace convgrad {
namespace {

struct DefaultContext {
  std::atomic<pid_t> process;  // whose the rest is; 0: there is none
  convgrad_context *context;
  convgrad_status status;  // of making it
  char error[1024];
};

DefaultContext default_context;
ForkSafeLock default_context_lock;  // held while it is made or destroyed

// What is taken out first is never destroyed twice, whenever this process forks.
void destroy_default_context() {
  convgrad_context *context = default_context.context;
  default_context.context = nullptr;
  default_context.process.store(0);
  convgrad_context_destroy(context);
}

// True: it is made, or will never be. False: out of memory, which the next call may not be.
bool make_default_context(pid_t self) {
  convgrad_context *context = nullptr;
  const convgrad_status status = convgrad_context_create(nullptr, &context);
  if (status == CONVGRAD_OUT_OF_MEMORY) return false;
  destroy_default_context();  // the parent's
  default_context.context = context;
  default_context.status = status;
  if (status != CONVGRAD_OK) {
    snprintf(default_context.error, sizeof default_context.error, "%s", convgrad_last_error());
  }
  default_context.process.store(self, std::memory_order_release);
  return true;
}

}  // namespace

const Settings *settings_of(const convgrad_context *context, convgrad_status *status) {
  if (context != nullptr) return &context->settings;
  const pid_t self = getpid();
  if (default_context.process.load(std::memory_order_acquire) != self) {
    default_context_lock.lock();
    const bool made = default_context.process.load(std::memory_order_relaxed) == self || make_default_context(self);
    default_context_lock.unlock();
    if (!made) {
      *status = CONVGRAD_OUT_OF_MEMORY;
      return nullptr;
    }
  }
  if (default_context.status == CONVGRAD_OK) return &default_context.context->settings;
  *status = fail(default_context.status, "%s", default_context.error);
  return nullptr;
}

}  // namespace convgrad

void convgrad_default_context_destroy(void) {
  using namespace convgrad;
  const NoCancellation scope;
  default_context_lock.lock();
  destroy_default_context();
  default_context_lock.unlock();
}
