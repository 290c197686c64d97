// From views to kernel calls.
#ifndef CONVGRAD_RUNTIME_LAUNCH_H
#define CONVGRAD_RUNTIME_LAUNCH_H

#include "call_context.h"
#include "kernel_table.h"
#include "normalize.h"

namespace convgrad {

// Sets all elements of a tensor to zero. `first` is its first element.
void fill_zeros(char *first, const int64_t size[4], const int64_t stride[4], int64_t element_bytes);

// Whether running the kernel leaves elements of the result unwritten, so that they are filled with zeros before.
bool leaves_gaps(const Kernel &kernel, const Normalized &problem);

// Runs the kernel, once a group and phase. `first` are the tensors' first elements, by Role. Returns Halide's error.
int launch(const Kernel &kernel, const Normalized &problem, char *const first[3], CallContext *context);

}  // namespace convgrad

#endif
