// A lock that a child made by fork can take whoever held it in the parent. No mutex: fork would copy one that a thread
// holds, which is not there in the child.
#ifndef CONVGRAD_RUNTIME_OS_FORK_SAFE_LOCK_H
#define CONVGRAD_RUNTIME_OS_FORK_SAFE_LOCK_H

#include <sys/types.h>

#include <atomic>

namespace convgrad {

// For what happens seldom: whoever waits looks again every 100 us. Taken by one thread of a process at a time.
class ForkSafeLock {
 public:
  void lock();
  bool try_lock();
  void unlock() { holder_.store(0, std::memory_order_release); }

 private:
  std::atomic<pid_t> holder_{0};  // the process whose thread holds it
};

}  // namespace convgrad

#endif
