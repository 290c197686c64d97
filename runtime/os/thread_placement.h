// On which CPU a pool's thread wakes. Linux may wake a thread on the very CPU where its caller runs, although others
// are idle; it then waits in line until the caller has done all the work itself, for many calls in a row
// (docs/measurements/threads.md). A caller that has seen this keeps sleeping threads off its CPU until they are awake;
// then they may run on all of theirs again.
#ifndef CONVGRAD_RUNTIME_OS_THREAD_PLACEMENT_H
#define CONVGRAD_RUNTIME_OS_THREAD_PLACEMENT_H

#include <sys/types.h>

#include "os/cpus.h"

namespace convgrad {

// One thread's. Whoever uses it holds the pool's mutex.
class ThreadPlacement {
 public:
  void start(const CpuSet &cpus);  // called by the thread itself: it may run on these, whatever its maker's are
  void wake();                     // and this, once it is awake
  void keep_off(int cpu);          // called while it sleeps: it wakes on another one of its CPUs, if it has one

 private:
  pid_t thread_ = 0;
  bool confined_ = false;  // to some of own_
  CpuSet own_;
};

}  // namespace convgrad

#endif
