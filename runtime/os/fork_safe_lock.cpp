#include "os/fork_safe_lock.h"

#include <unistd.h>

namespace convgrad {

void ForkSafeLock::lock() {
  const pid_t self = getpid();
  while (true) {
    pid_t holder = holder_.load(std::memory_order_relaxed);
    // A lock that a thread of the parent held at fork is nobody's.
    if (holder != self && holder_.compare_exchange_strong(holder, self, std::memory_order_acquire)) return;
    usleep(100);
  }
}

}  // namespace convgrad
