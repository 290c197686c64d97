// The public header as the runtime's own files include it: what it declares is exported from a shared library, while
// everything else is compiled with hidden visibility.
#ifndef CONVGRAD_RUNTIME_API_H
#define CONVGRAD_RUNTIME_API_H

#pragma GCC visibility push(default)
#include "convgrad/convgrad.h"
#pragma GCC visibility pop

#endif
