// The names of this build's kernels, apart from their code: naming one links none.
#ifndef CONVGRAD_RUNTIME_KERNEL_LIST_H
#define CONVGRAD_RUNTIME_KERNEL_LIST_H

#include "api.h"
#include "targets.h"

namespace convgrad {

struct ListedKernel {
  const char *name;
  const Target *target;
  const char *algorithm;
  convgrad_op op;
  convgrad_dtype dtype;
  bool strict;
};

const ListedKernel *find_kernel(const char *name);  // NULL: not in this build

}  // namespace convgrad

#endif
