#include "os/thread_placement.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace convgrad {

void ThreadPlacement::start() { thread_ = static_cast<pid_t>(syscall(SYS_gettid)); }

void ThreadPlacement::wake() {
  if (confined_) sched_setaffinity(thread_, sizeof own_, &own_);
  confined_ = false;
}

// What fails (in a sandbox, say) is not needed.
void ThreadPlacement::keep_off(int cpu) {
  if (cpu < 0 || thread_ == 0) return;
  if (!confined_ && sched_getaffinity(thread_, sizeof own_, &own_) != 0) return;
  cpu_set_t others = own_;
  CPU_CLR(static_cast<size_t>(cpu), &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(thread_, sizeof others, &others) != 0) return;
  confined_ = true;
}

}  // namespace convgrad
