#include "os/thread_placement.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace convgrad {

// What fails (in a sandbox, say) is not needed, here and below.
void ThreadPlacement::start(const CpuSet &cpus) {
  thread_ = static_cast<pid_t>(syscall(SYS_gettid));
  if (!(CpuSet(thread_) == cpus)) cpus.set_for(thread_);
}

void ThreadPlacement::wake() {
  if (confined_) own_.set_for(thread_);
  confined_ = false;
}

void ThreadPlacement::keep_off(int cpu) {
  if (cpu < 0 || thread_ == 0) return;
  if (!confined_) own_ = CpuSet(thread_);
  CpuSet others = own_;
  others.remove(cpu);
  if (others.count() == 0 || !others.set_for(thread_)) return;
  confined_ = true;
}

}  // namespace convgrad
