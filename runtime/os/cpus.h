// The CPUs that threads may run on.
#ifndef CONVGRAD_RUNTIME_OS_CPUS_H
#define CONVGRAD_RUNTIME_OS_CPUS_H

namespace convgrad {

// The calling thread's CPU; -1: not known.
int this_cpu();

// How many this process may run on, at least 1.
int count_cpus();

}  // namespace convgrad

#endif
