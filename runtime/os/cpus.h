// The CPUs that threads may run on.
#ifndef CONVGRAD_RUNTIME_OS_CPUS_H
#define CONVGRAD_RUNTIME_OS_CPUS_H

#include <sched.h>
#include <sys/types.h>

namespace convgrad {

// Of 8192 CPUs: the kernel refuses to fill a set that is smaller than its own.
class CpuSet {
 public:
  CpuSet() = default;
  // A thread's; 0 is the calling one. Empty: not known, as in a sandbox.
  explicit CpuSet(pid_t thread);

  int count() const;
  void add(const CpuSet &others);
  void remove(int cpu);
  bool operator==(const CpuSet &other) const;
  bool set_for(pid_t thread) const;  // false: the thread keeps those it has

 private:
  cpu_set_t sets_[8] = {};
};

// The calling thread's CPU; -1: not known.
int this_cpu();

// Those of this process. Linux keeps them by thread, and the calling one may be pinned to a single CPU: all threads'
// together, a system call for each. `threads` has an entry for each; without it the first and the calling thread count.
CpuSet cpus_of_process(const char *threads = "/proc/self/task");

}  // namespace convgrad

#endif
