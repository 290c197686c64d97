// The kernels of the library that a program is linked with.
#pragma once

#include <convgrad/convgrad.h>

#include <stdexcept>
#include <string>

#include "problem/problem.h"

// nullptr: there is none of that name.
inline const convgrad_kernel_info *find_kernel(const std::string &name) {
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
    if (name == convgrad_kernel_at(i)->name) return convgrad_kernel_at(i);
  }
  return nullptr;
}

// Throws, in words for the user, where this machine can run no kernel of the type.
inline void expect_kernels_of(convgrad_dtype dtype) {
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
    const convgrad_kernel_info *kernel = convgrad_kernel_at(i);
    if (kernel->dtype == dtype && kernel->usable_here != 0) return;
  }
  throw std::runtime_error(std::string("this build has no kernels of ") + convgrad::problems::dtype_info(dtype).name +
                           " for this machine");
}
