#include "os/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstring>

namespace convgrad {

convgrad_status load_library(Library *library, Text *reason) {
  const pid_t self = getpid();
  if (library->user != 0 && library->user != self) {
    reason->append("the %s was in use by process %d, which this one was forked from, and does not survive fork",
                   library->what, static_cast<int>(library->user));
    return CONVGRAD_UNSUPPORTED;
  }
  if (library->handle == nullptr) {
    void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      reason->append("there is no %s: %s", library->what, dlerror());
      return CONVGRAD_UNSUPPORTED;
    }
    for (size_t i = 0; i < library->symbol_count; ++i) {
      void *function = dlsym(handle, library->symbols[i].name);
      if (function == nullptr) {
        reason->append("the %s is too old: %s", library->what, dlerror());
        return CONVGRAD_UNSUPPORTED;
      }
      memcpy(static_cast<char *>(library->functions) + library->symbols[i].offset, &function, sizeof function);
    }
    library->handle = handle;
  }
  library->user = self;
  return CONVGRAD_OK;
}

}  // namespace convgrad
