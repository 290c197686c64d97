#include "os/cpus.h"

#include <sched.h>

#include <cstring>

namespace convgrad {

int this_cpu() {
  const int cpu = sched_getcpu();
  return cpu < CPU_SETSIZE ? cpu : -1;
}

int count_cpus() {
  cpu_set_t sets[8];  // 8192 CPUs: the kernel refuses a set that is smaller than its own
  memset(sets, 0, sizeof sets);
  if (sched_getaffinity(0, sizeof sets, sets) != 0) return 1;
  const int cpus = CPU_COUNT_S(sizeof sets, sets);
  return cpus < 1 ? 1 : cpus;
}

}  // namespace convgrad
