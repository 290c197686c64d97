// The application's allocator, or the C library's.
#ifndef CONVGRAD_RUNTIME_MEMORY_H
#define CONVGRAD_RUNTIME_MEMORY_H

#include <cstddef>

namespace convgrad {

struct Memory {
  void *(*allocate)(void *memory, size_t bytes, size_t alignment);  // NULL: the C library's
  void (*release)(void *memory, void *pointer);
  void *memory;
};

// NULL: no memory, or an application's block that is not aligned (it has been released).
void *allocate(const Memory &memory, size_t bytes, size_t alignment);
void release(const Memory &memory, void *pointer);

}  // namespace convgrad

#endif
