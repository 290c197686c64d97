// A driver's library, loaded when it is first needed and never closed.
#ifndef CONVGRAD_RUNTIME_GPU_LIBRARY_H
#define CONVGRAD_RUNTIME_GPU_LIBRARY_H

#include <sys/types.h>

#include <atomic>
#include <cstddef>

#include "last_error.h"

namespace convgrad {

// Held while libraries are loaded and devices opened or closed, never during a call. No mutex: fork would copy one that
// a thread holds.
class ForkSafeLock {
 public:
  void lock();
  void unlock() { holder_.store(0, std::memory_order_release); }

 private:
  std::atomic<pid_t> holder_{0};  // the process whose thread holds it
};

extern ForkSafeLock gpu_lock;

// A function, and where its address goes in the driver's table of functions.
struct Symbol {
  const char *name;
  size_t offset;
};

struct Library {
  const char *file;  // "libcuda.so.1"
  const char *what;  // "CUDA driver"
  const Symbol *symbols;
  size_t symbol_count;
  void *functions;
  void *handle;
  pid_t user;  // the process that uses it; 0: none has. Its state does not survive fork.
};

// Under gpu_lock. UNSUPPORTED: it is not here, lacks a function, or a parent of this process uses it.
convgrad_status load_library(Library *library, Text *reason);

}  // namespace convgrad

#endif
