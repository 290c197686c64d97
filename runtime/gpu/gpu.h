// A context on a GPU, as the rest of the runtime sees it. Compiled only where the build has a target for one.
#ifndef CONVGRAD_RUNTIME_GPU_GPU_H
#define CONVGRAD_RUNTIME_GPU_GPU_H

#include "last_error.h"
#include "targets.h"

namespace convgrad {

struct Gpu;
struct PreparedCall;

// Opens a device for the target: the application's (CUcontext or cl_context) or the first that can run it, with the
// application's queue or one of our own. UNSUPPORTED where there is none, with the reason. Has one reference.
convgrad_status open_gpu(const Target &target, void *device, void *queue, Gpu **gpu, Text *reason);
void retain_gpu(Gpu *gpu);   // NULL does nothing
void release_gpu(Gpu *gpu);  // NULL does nothing

// Whether open_gpu finds a device of its own for the target.
bool gpu_usable(const Target &target, Text *reason);

// Whether the device can compute with such elements. False: `reason` says what it lacks.
bool gpu_computes(const Gpu *gpu, convgrad_dtype dtype, Text *reason);

// The way of a call on a GPU, from valid host pointers on. `data` is in the order of the op's arguments.
convgrad_status run_on_gpu(const PreparedCall &call, const void *const data[3]);

}  // namespace convgrad

#endif
