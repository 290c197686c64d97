// The targets of this build.
#ifndef CONVGRAD_RUNTIME_TARGETS_H
#define CONVGRAD_RUNTIME_TARGETS_H

#include <cstddef>
#include <cstdint>

#include "last_error.h"

namespace convgrad {

struct Target {
  const char *name;
  int priority;       // higher is tried first; 0: only when asked for by name
  uint64_t features;  // what its code needs
};

const Target *find_target(const char *name);  // NULL: not in this build

Text target_names();  // "x86_64_avx2, x86_64_sse41"

}  // namespace convgrad

#endif
