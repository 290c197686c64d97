#include <cstdint>
#include <cstdio>
#include <cstring>

#include "gpu/cuda_api.h"
#include "gpu/device.h"
#include "gpu/limits.h"
#include "os/library.h"

namespace convgrad {
namespace {

using namespace cuda;

Functions api;

constexpr Symbol kSymbols[] = {
#define CONVGRAD_CUDA_FUNCTION(name, parameters) {#name, offsetof(Functions, name)},
    CONVGRAD_CUDA_FUNCTIONS(CONVGRAD_CUDA_FUNCTION)
#undef CONVGRAD_CUDA_FUNCTION
};

Library library = {"libcuda.so.1", "CUDA driver", kSymbols, sizeof kSymbols / sizeof kSymbols[0], &api, nullptr, 0};

convgrad_status failed(const char *what, Result error, Text *reason) {
  const char *name = nullptr, *text = nullptr;
  if (api.cuGetErrorName(error, &name) != kSuccess || name == nullptr) name = "an error without a name";
  if (api.cuGetErrorString(error, &text) != kSuccess || text == nullptr) text = "no text";
  reason->append("%s failed: %s (%d), %s", what, name, error, text);
  return error == kErrorOutOfMemory ? CONVGRAD_OUT_OF_MEMORY : CONVGRAD_DEVICE_ERROR;
}

#define CONVGRAD_CUDA_TRY(function, ...) \
  if (const Result error = api.function(__VA_ARGS__)) return failed(#function, error, reason)

Stream stream_of(const Gpu *gpu) { return gpu->queue; }
DevicePtr address(const Place &place) { return place.memory + static_cast<uint64_t>(place.offset); }

convgrad_status read_device(Device id, GpuDevice *device, int *capability, Text *reason) {
  int major = 0, minor = 0, shared = 0, pools = 0;
  CONVGRAD_CUDA_TRY(cuDeviceGetAttribute, &major, kComputeCapabilityMajor, id);
  CONVGRAD_CUDA_TRY(cuDeviceGetAttribute, &minor, kComputeCapabilityMinor, id);
  CONVGRAD_CUDA_TRY(cuDeviceGetAttribute, &shared, kMaxSharedMemoryPerBlockOptin, id);
  CONVGRAD_CUDA_TRY(cuDeviceGetAttribute, &pools, kMemoryPoolsSupported, id);
  CONVGRAD_CUDA_TRY(cuDeviceGetName, device->name, sizeof device->name, id);
  device->id = static_cast<uintptr_t>(id);
  device->max_shared = shared;
  device->pools = pools != 0;
  *capability = 10 * major + minor;
  return CONVGRAD_OK;
}

void too_old(const GpuDevice &device, int capability, const Target &target, Text *reason) {
  reason->append("%s has compute capability %d.%d, target %s needs %d.%d", device.name, capability / 10,
                 capability % 10, target.name, target.capability / 10, target.capability % 10);
}

// The device of the context that the application named, or that its stream belongs to.
convgrad_status find_given(const GpuRequest &request, GpuDevice *device, Text *reason) {
  device->context = request.device;
  if (device->context == nullptr) CONVGRAD_CUDA_TRY(cuStreamGetCtx, request.queue, &device->context);
  CONVGRAD_CUDA_TRY(cuCtxPushCurrent_v2, device->context);
  Device id = 0;
  const Result error = api.cuCtxGetDevice(&id);
  Context ignored;
  api.cuCtxPopCurrent_v2(&ignored);
  if (error != kSuccess) return failed("cuCtxGetDevice", error, reason);
  int capability;
  if (convgrad_status status = read_device(id, device, &capability, reason)) return status;
  if (capability >= request.target->capability) return CONVGRAD_OK;
  too_old(*device, capability, *request.target, reason);
  return CONVGRAD_UNSUPPORTED;
}

convgrad_status find(const GpuRequest &request, GpuDevice *device, Text *reason) {
  if (convgrad_status status = load_library(&library, reason)) return status;
  int count = 0;
  Text text;
  if (const Result error = api.cuInit(0)) {
    failed("cuInit", error, reason);
    return CONVGRAD_UNSUPPORTED;
  }
  if (request.device != nullptr || request.queue != nullptr) return find_given(request, device, reason);
  CONVGRAD_CUDA_TRY(cuDeviceGetCount, &count);
  device->own_context = true;
  for (int i = 0; i < count; ++i) {
    Device id = 0;
    int capability;
    CONVGRAD_CUDA_TRY(cuDeviceGet, &id, i);
    if (convgrad_status status = read_device(id, device, &capability, reason)) return status;
    if (capability >= request.target->capability) return CONVGRAD_OK;
    text.append("%s", text.empty() ? "" : "; ");
    too_old(*device, capability, *request.target, &text);
  }
  reason->append("%s", text.empty() ? "the CUDA driver has no device" : text.c_str());
  return CONVGRAD_UNSUPPORTED;
}

convgrad_status open_device(GpuDevice *device, Text *reason) {
  if (device->own_context) {
    CONVGRAD_CUDA_TRY(cuDevicePrimaryCtxRetain, &device->context, static_cast<Device>(device->id));
  }
  return CONVGRAD_OK;
}

void close_device(GpuDevice *device) {
  if (device->own_context) api.cuDevicePrimaryCtxRelease_v2(static_cast<Device>(device->id));
}

convgrad_status enter(GpuDevice *device, Text *reason) {
  CONVGRAD_CUDA_TRY(cuCtxPushCurrent_v2, device->context);
  return CONVGRAD_OK;
}

void leave(GpuDevice *) {
  Context ignored;
  api.cuCtxPopCurrent_v2(&ignored);
}

convgrad_status open_queue(Gpu *gpu, void *queue, Text *reason) {
  gpu->queue = queue;
  gpu->own_queue = queue == nullptr;
  if (gpu->own_queue) CONVGRAD_CUDA_TRY(cuStreamCreate, &gpu->queue, kStreamNonBlocking);
  return CONVGRAD_OK;
}

void close_queue(Gpu *gpu) {
  if (gpu->own_queue) api.cuStreamDestroy_v2(stream_of(gpu));
}

convgrad_status allocate(Gpu *gpu, size_t bytes, uint64_t *memory, Text *reason) {
  DevicePtr pointer = 0;
  if (gpu->device->pools) {
    CONVGRAD_CUDA_TRY(cuMemAllocAsync, &pointer, bytes, stream_of(gpu));
  } else {
    CONVGRAD_CUDA_TRY(cuMemAlloc_v2, &pointer, bytes);
  }
  *memory = pointer;
  return CONVGRAD_OK;
}

void release(Gpu *gpu, uint64_t memory) {
  if (gpu->device->pools) {
    api.cuMemFreeAsync(memory, stream_of(gpu));
    return;
  }
  api.cuStreamSynchronize(stream_of(gpu));  // CUDA does not promise that freeing waits for the stream
  api.cuMemFree_v2(memory);
}

convgrad_status copy_in(Gpu *gpu, const Place &to, const void *from, size_t bytes, Text *reason) {
  CONVGRAD_CUDA_TRY(cuMemcpyHtoDAsync_v2, address(to), from, bytes, stream_of(gpu));
  return CONVGRAD_OK;
}

convgrad_status copy_out(Gpu *gpu, void *to, const Place &from, size_t bytes, Text *reason) {
  CONVGRAD_CUDA_TRY(cuMemcpyDtoHAsync_v2, to, address(from), bytes, stream_of(gpu));
  return CONVGRAD_OK;
}

convgrad_status copy(Gpu *gpu, const Place &to, const Place &from, size_t bytes, Text *reason) {
  CONVGRAD_CUDA_TRY(cuMemcpyDtoDAsync_v2, address(to), address(from), bytes, stream_of(gpu));
  return CONVGRAD_OK;
}

convgrad_status fill_zeros(Gpu *gpu, const Place &to, size_t bytes, Text *reason) {
  CONVGRAD_CUDA_TRY(cuMemsetD8Async, address(to), 0, bytes, stream_of(gpu));
  return CONVGRAD_OK;
}

convgrad_status synchronize(Gpu *gpu, Text *reason) {
  CONVGRAD_CUDA_TRY(cuStreamSynchronize, stream_of(gpu));
  return CONVGRAD_OK;
}

// CUDA starts what is enqueued, and answers the next call with what failed.
convgrad_status flush(Gpu *, Text *) { return CONVGRAD_OK; }
convgrad_status check(Gpu *, Text *) { return CONVGRAD_OK; }

convgrad_status load_module(GpuDevice *, const Target &target, const char *source, size_t, GpuModule *module,
                            Text *reason) {
  char log[400] = "";
  int options[] = {kJitMaxRegisters, kJitErrorLogBuffer, kJitErrorLogBufferSizeBytes};
  void *values[] = {reinterpret_cast<void *>(static_cast<uintptr_t>(target.max_registers)), log,
                    reinterpret_cast<void *>(sizeof log - 1)};
  if (const Result error = api.cuModuleLoadDataEx(&module->handle, source, 3, options, values)) {
    const convgrad_status status = failed("cuModuleLoadDataEx", error, reason);
    if (log[0] != '\0') reason->append(": %s", log);
    return status;
  }
  return CONVGRAD_OK;
}

void unload_module(GpuDevice *, GpuModule *module) { api.cuModuleUnload(module->handle); }

// The function's handle, with as much shared memory allowed as it asks for.
convgrad_status prepare_function(GpuDevice *device, GpuModule *module, GpuFunction *function, int32_t shared_bytes,
                                 Text *reason) {
  if (function->handle == nullptr) {
    CONVGRAD_CUDA_TRY(cuModuleGetFunction, &function->handle, module->handle, function->name);
  }
  if (shared_bytes <= kCudaLimits.shared_bytes || shared_bytes <= function->max_shared) return CONVGRAD_OK;
  if (shared_bytes > device->max_shared) {
    reason->append("%s wants %d bytes of shared memory, %s has %d a block", function->name, shared_bytes, device->name,
                   device->max_shared);
    return CONVGRAD_DEVICE_ERROR;
  }
  CONVGRAD_CUDA_TRY(cuFuncSetAttribute, function->handle, kFuncMaxDynamicSharedSize, shared_bytes);
  function->max_shared = shared_bytes;
  return CONVGRAD_OK;
}

convgrad_status launch(Gpu *gpu, GpuModule *module, GpuFunction *function, const GpuLaunch &launch, Text *reason) {
  pthread_mutex_lock(&gpu->device->mutex);
  const convgrad_status status = prepare_function(gpu->device, module, function, launch.shared_bytes, reason);
  pthread_mutex_unlock(&gpu->device->mutex);
  if (status != CONVGRAD_OK) return status;
  unsigned blocks[3], threads[3];
  for (int i = 0; i < 3; ++i) {
    blocks[i] = static_cast<unsigned>(launch.blocks[i]);
    threads[i] = static_cast<unsigned>(launch.threads[i]);
  }
  CONVGRAD_CUDA_TRY(cuLaunchKernel, function->handle, blocks[0], blocks[1], blocks[2], threads[0], threads[1],
                    threads[2], static_cast<unsigned>(launch.shared_bytes), stream_of(gpu),
                    const_cast<void **>(launch.arguments), nullptr);
  return CONVGRAD_OK;
}

}  // namespace

const Driver cuda_driver = {DeviceKind::CUDA, "CUDA",      CONVGRAD_CUDA, find,     open_device,
                            close_device,     open_queue,  close_queue,   enter,    leave,
                            allocate,         release,     copy_in,       copy_out, copy,
                            fill_zeros,       synchronize, flush,         check,    load_module,
                            unload_module,    launch,      nullptr};

}  // namespace convgrad
