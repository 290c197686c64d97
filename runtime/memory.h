// The application's allocator, or the C library's.
#ifndef CONVGRAD_RUNTIME_MEMORY_H
#define CONVGRAD_RUNTIME_MEMORY_H

#include <cstddef>

#include "last_error.h"

namespace convgrad {

struct Memory {
  void *(*allocate)(void *memory, size_t bytes, size_t alignment);  // NULL: the C library's
  void (*release)(void *memory, void *pointer);
  void *memory;
};

// NULL: no memory, or an application's block that is not aligned (it has been released), which callers answer as
// OUT_OF_MEMORY too; `reason` says which.
void *allocate(const Memory &memory, size_t bytes, size_t alignment, Text *reason);
void release(const Memory &memory, void *pointer);

// Sets the bytes to zero. Kernels call memset at their deepest, and where a program looks functions up when it first
// calls them, that takes 3 KB of its stack: which are here before a kernel runs.
void look_up_memset(void *memory, size_t bytes);

}  // namespace convgrad

#endif
