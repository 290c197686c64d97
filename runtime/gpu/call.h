// A call on a GPU, as the functions that kernels call find it.
#ifndef CONVGRAD_RUNTIME_GPU_CALL_H
#define CONVGRAD_RUNTIME_GPU_CALL_H

#include "gpu/device.h"
#include "prepared_call.h"

namespace convgrad {

struct GpuCall {
  const PreparedCall *prepared;
  Gpu *gpu;
  GpuModule *module;  // of the kernel that runs
  Place result;
  bool fill;               // before the first launch: what can fail for want of memory comes before it
  convgrad_status status;  // of what failed in a function that a kernel called
  Text *reason;
};

// Fills the result with zeros if that is still to be done.
convgrad_status fill_result(GpuCall *call);

}  // namespace convgrad

#endif
