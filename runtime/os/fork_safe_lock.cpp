#include "os/fork_safe_lock.h"

#include <unistd.h>

namespace convgrad {

void ForkSafeLock::lock() {
  while (!try_lock()) usleep(100);
}

bool ForkSafeLock::try_lock() {
  const pid_t self = getpid();
  pid_t holder = holder_.load(std::memory_order_relaxed);
  // A lock that a thread of the parent held at fork is nobody's.
  return holder != self && holder_.compare_exchange_strong(holder, self, std::memory_order_acquire);
}

}  // namespace convgrad
