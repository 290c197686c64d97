// A driver's library, loaded when it is first needed and never closed.
#ifndef CONVGRAD_RUNTIME_OS_LIBRARY_H
#define CONVGRAD_RUNTIME_OS_LIBRARY_H

#include <sys/types.h>

#include <cstddef>

#include "last_error.h"

namespace convgrad {

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

// One thread at a time. UNSUPPORTED: it is not here, lacks a function, or a parent of this process uses it.
convgrad_status load_library(Library *library, Text *reason);

}  // namespace convgrad

#endif
