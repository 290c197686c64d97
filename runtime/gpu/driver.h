// What the runtime asks of a device API. There is one constant of struct Driver for CUDA and one for OpenCL; each loads
// its library when it is first needed, so that a program starts where there is none.
//
// Functions that can fail append the driver's own text to `reason`.
#ifndef CONVGRAD_RUNTIME_GPU_DRIVER_H
#define CONVGRAD_RUNTIME_GPU_DRIVER_H

#include <cstddef>
#include <cstdint>

#include "last_error.h"
#include "launch.h"
#include "targets.h"

namespace convgrad {

struct Gpu;
struct GpuDevice;
struct GpuFunction;
struct GpuModule;

// What a context asks for. `device` and `queue` are the application's, or NULL.
struct GpuRequest {
  const Target *target;
  void *device;
  void *queue;
};

// A kernel launch. The arguments end with a size of 0; each is the address of a value of that size.
struct GpuLaunch {
  int32_t blocks[3], threads[3];
  int32_t shared_bytes;
  const size_t *sizes;
  void *const *arguments;
};

// A part of a tensor's memory, in bytes of the allocation that holds it.
struct DeviceRange {
  uint64_t allocation;
  uint64_t begin, end;
};

struct Driver {
  DeviceKind kind;
  const char *name;
  convgrad_memory memory;

  // Finds the device for the request and fills in what identifies it, without making anything on it.
  convgrad_status (*find)(const GpuRequest &request, GpuDevice *device, Text *reason);
  // Makes the device's context, or keeps the application's.
  convgrad_status (*open_device)(GpuDevice *device, Text *reason);
  void (*close_device)(GpuDevice *device);
  convgrad_status (*open_queue)(Gpu *gpu, void *queue, Text *reason);
  void (*close_queue)(Gpu *gpu);

  // Calls below are made between enter and leave, which keep the caller's current context (CUDA has one a thread).
  convgrad_status (*enter)(GpuDevice *device, Text *reason);
  void (*leave)(GpuDevice *device);

  convgrad_status (*allocate)(Gpu *gpu, size_t bytes, uint64_t *memory, Text *reason);
  // The queue may still use it.
  void (*release)(Gpu *gpu, uint64_t memory);

  // In the queue's order. Host memory must stay until synchronize() has returned.
  convgrad_status (*copy_in)(Gpu *gpu, const Place &to, const void *from, size_t bytes, Text *reason);
  convgrad_status (*copy_out)(Gpu *gpu, void *to, const Place &from, size_t bytes, Text *reason);
  convgrad_status (*copy)(Gpu *gpu, const Place &to, const Place &from, size_t bytes, Text *reason);
  convgrad_status (*fill_zeros)(Gpu *gpu, const Place &to, size_t bytes, Text *reason);
  convgrad_status (*synchronize)(Gpu *gpu, Text *reason);
  // Starts what has been enqueued, and remembers it for check().
  convgrad_status (*flush)(Gpu *gpu, Text *reason);
  // The failure of an earlier call's work, once.
  convgrad_status (*check)(Gpu *gpu, Text *reason);

  convgrad_status (*load_module)(GpuDevice *device, const Target &target, const char *source, size_t bytes,
                                 GpuModule *module, Text *reason);
  void (*unload_module)(GpuDevice *device, GpuModule *module);
  convgrad_status (*launch)(Gpu *gpu, GpuModule *module, GpuFunction *function, const GpuLaunch &launch, Text *reason);

  // NULL where addresses say it: where a tensor of the application lies. INVALID_ARGUMENT where `place` is not memory
  // of the device, or ends before `bytes` from there on.
  convgrad_status (*locate)(Gpu *gpu, const Place &place, uint64_t bytes, DeviceRange *range, Text *reason);
};

extern const Driver cuda_driver, opencl_driver;

}  // namespace convgrad

#endif
