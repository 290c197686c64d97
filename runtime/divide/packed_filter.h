// The filter that a direct kernel on a CPU packs whole before its tasks, in scratch that the call's threads share.
#ifndef CONVGRAD_RUNTIME_DIVIDE_PACKED_FILTER_H
#define CONVGRAD_RUNTIME_DIVIDE_PACKED_FILTER_H

#include "kernel_table.h"
#include "normalize.h"

namespace convgrad {

// Bytes of scratch for it, in whole cache lines; 0: the kernel packs none. The problem's filter is of the kernel's
// size.
Wide packed_filter_bytes(const Kernel &kernel, const Normalized &problem);

}  // namespace convgrad

#endif
