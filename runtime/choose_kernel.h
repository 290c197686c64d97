// Which kernel computes a problem: a pure function of problem, table, machine and what was asked for.
#ifndef CONVGRAD_RUNTIME_CHOOSE_KERNEL_H
#define CONVGRAD_RUNTIME_CHOOSE_KERNEL_H

#include "hardware.h"
#include "kernel_table.h"
#include "normalize.h"

namespace convgrad {

// What a context asks for.
struct Choice {
  const Target *target;  // NULL: the best that the CPU can run
  const char *kernel;    // NULL: by the table's rows
  bool strict;           // only kernels that keep the error bound of direct summation
};

// Is told about each row considered, in order; `reason` is NULL for the one that wins.
struct RowObserver {
  void (*considered)(void *arg, size_t row, const Kernel &kernel, const char *reason);
  void *arg;
};

// Whether the kernel can compute the problem, whatever its rows prefer. False: `reason` says why not.
bool accepts(const Kernel &kernel, const Normalized &problem, Text *reason);

// Whether the CPU can run the target's code. False: `reason` names what it lacks. (A GPU's is known to when a context
// is made.)
bool usable(const Target &target, const Machine &machine, Text *reason);

// NULL: no kernel, and `reason` says why; where one was asked for by name, why that one refuses.
const Kernel *choose_kernel(const Normalized &problem, const KernelTable &table, const Machine &machine,
                            const Choice &choice, const RowObserver *observer, Text *reason);

}  // namespace convgrad

#endif
