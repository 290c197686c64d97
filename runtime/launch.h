// From views to kernel calls.
#ifndef CONVGRAD_RUNTIME_LAUNCH_H
#define CONVGRAD_RUNTIME_LAUNCH_H

#include "call_context.h"
#include "kernel_table.h"
#include "normalize.h"

namespace convgrad {

// Where a tensor's first element is: bytes from the start of host memory, of a CUDA address or of a cl_mem.
struct Place {
  uint64_t memory;
  int64_t offset;
};

inline Place host_place(const void *memory) { return {reinterpret_cast<uintptr_t>(memory), 0}; }

// A tensor as the fewest runs of contiguous bytes, in the order of their addresses as far as strides have one.
struct Runs {
  size_t bytes;       // of each run
  int64_t extent[4];  // how many there are along each dimension, innermost first; any 0: none
  int64_t step[4];    // bytes from one to the next
};
Runs runs_of(const int64_t size[4], const int64_t stride[4], int64_t element_bytes);

// Calls visit(offset) for each run, with its first byte's distance from the tensor's, until one returns what is not 0;
// returns that.
template <typename Visit>
int for_each_run(const Runs &runs, const Visit &visit) {
  for (int64_t i3 = 0; i3 < runs.extent[3]; ++i3) {
    for (int64_t i2 = 0; i2 < runs.extent[2]; ++i2) {
      for (int64_t i1 = 0; i1 < runs.extent[1]; ++i1) {
        const int64_t row = i3 * runs.step[3] + i2 * runs.step[2] + i1 * runs.step[1];
        for (int64_t i0 = 0; i0 < runs.extent[0]; ++i0) {
          if (const int result = visit(row + i0 * runs.step[0])) return result;
        }
      }
    }
  }
  return 0;
}

// Sets all elements of a tensor to zero. `first` is its first element.
void fill_zeros(char *first, const int64_t size[4], const int64_t stride[4], int64_t element_bytes);

// Whether running the kernel leaves elements of the result unwritten, so that they are filled with zeros before.
bool leaves_gaps(const Kernel &kernel, const Normalized &problem);

// Runs the kernel, once a group and phase. `first` are the tensors' first elements, by Role, on the kernel's kind of
// device. Returns Halide's error.
int launch(const Kernel &kernel, const Normalized &problem, const Place first[3], CallContext *context);

}  // namespace convgrad

#endif
