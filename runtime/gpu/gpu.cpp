#include "gpu/gpu.h"

#include <unistd.h>

#include <cstring>
#include <new>

#include "build_targets.h"
#include "gpu/device.h"
#include "memory.h"
#include "os/fork_safe_lock.h"

namespace convgrad {
namespace {

constexpr Memory kMemory = {nullptr, nullptr, nullptr};

// Held while libraries are loaded and devices opened or closed, never during a call.
ForkSafeLock gpu_lock;

// Those that contexts use, under gpu_lock.
GpuDevice *devices;

const Driver *driver_of(DeviceKind kind) {
  if constexpr (kHasCuda) {
    if (kind == DeviceKind::CUDA) return &cuda_driver;
  }
  if constexpr (kHasOpenCl) {
    if (kind == DeviceKind::OPENCL) return &opencl_driver;
  }
  return nullptr;
}

bool same(const GpuDevice &a, const GpuDevice &b) {
  return a.driver == b.driver && a.id == b.id && a.own_context == b.own_context &&
         (a.own_context || a.context == b.context);
}

// The device of other contexts, or a new one, with one reference more. Under gpu_lock.
convgrad_status share_device(const GpuDevice &found, GpuDevice **device, Text *reason) {
  for (GpuDevice *known = devices; known != nullptr; known = known->next) {
    if (!same(*known, found)) continue;
    ++known->references;
    *device = known;
    return CONVGRAD_OK;
  }
  void *block = allocate(kMemory, sizeof(GpuDevice), alignof(GpuDevice), reason);
  if (block == nullptr) return CONVGRAD_OUT_OF_MEMORY;
  GpuDevice *made = static_cast<GpuDevice *>(block);
  *made = found;
  if (convgrad_status status = made->driver->open_device(made, reason)) {
    release(kMemory, made);
    return status;
  }
  pthread_mutex_init(&made->mutex, nullptr);
  pthread_mutex_init(&made->compile, nullptr);
  made->references = 1;
  made->next = devices;
  devices = made;
  *device = made;
  return CONVGRAD_OK;
}

// Under gpu_lock.
void release_device(GpuDevice *device) {
  if (--device->references > 0) return;
  GpuDevice **link = &devices;
  while (*link != device) link = &(*link)->next;
  *link = device->next;
  Text ignored;
  if (device->driver->enter(device, &ignored) == CONVGRAD_OK) {
    unload_modules(device);
    device->driver->leave(device);
  }
  device->driver->close_device(device);
  pthread_mutex_destroy(&device->mutex);
  pthread_mutex_destroy(&device->compile);
  release(kMemory, device);
}

convgrad_status find_device(const GpuRequest &request, GpuDevice *found, Text *reason) {
  *found = GpuDevice();
  found->driver = driver_of(request.target->device);
  return found->driver->find(request, found, reason);
}

// With the device's reference on success. Under gpu_lock.
convgrad_status open_on(GpuDevice *device, void *queue, Gpu **gpu, Text *reason) {
  void *block = allocate(kMemory, sizeof(Gpu), alignof(Gpu), reason);
  if (block == nullptr) return CONVGRAD_OUT_OF_MEMORY;
  Gpu *made = new (block) Gpu();
  made->references = 1;
  made->device = device;
  made->process = getpid();
  convgrad_status status = device->driver->enter(device, reason);
  if (status == CONVGRAD_OK) {
    status = device->driver->open_queue(made, queue, reason);
    device->driver->leave(device);
  }
  if (status != CONVGRAD_OK) {
    release(kMemory, made);
    return status;
  }
  pthread_mutex_init(&made->mutex, nullptr);
  *gpu = made;
  return CONVGRAD_OK;
}

}  // namespace

convgrad_status open_gpu(const Target &target, void *device, void *queue, Gpu **gpu, Text *reason) {
  gpu_lock.lock();
  GpuDevice found, *shared = nullptr;
  convgrad_status status = find_device({&target, device, queue}, &found, reason);
  if (status == CONVGRAD_OK) status = share_device(found, &shared, reason);
  if (status == CONVGRAD_OK) {
    status = open_on(shared, queue, gpu, reason);
    if (status != CONVGRAD_OK) release_device(shared);
  }
  gpu_lock.unlock();
  return status;
}

void retain_gpu(Gpu *gpu) {
  if (gpu != nullptr) gpu->references.fetch_add(1, std::memory_order_relaxed);
}

void release_gpu(Gpu *gpu) {
  if (gpu == nullptr || gpu->references.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  if (gpu->process == getpid()) {
    const Driver *driver = gpu->device->driver;
    gpu_lock.lock();
    Text ignored;
    if (driver->enter(gpu->device, &ignored) == CONVGRAD_OK) {
      driver->synchronize(gpu, &ignored);  // an application's queue may still run our kernels
      release_kept_blocks(gpu);
      driver->close_queue(gpu);
      driver->leave(gpu->device);
    }
    release_device(gpu->device);
    gpu_lock.unlock();
    pthread_mutex_destroy(&gpu->mutex);
  }
  release(kMemory, gpu);  // in a child made by fork the rest is the parent's
}

bool gpu_computes(const Gpu *gpu, convgrad_dtype dtype, Text *reason) {
  if (dtype != CONVGRAD_FLOAT64 || !gpu->device->no_doubles) return true;
  reason->append("%s has no double precision (cl_khr_fp64)", gpu->device->name);
  return false;
}

bool gpu_usable(const Target &target, Text *reason) {
  gpu_lock.lock();
  GpuDevice found;
  const convgrad_status status = find_device({&target, nullptr, nullptr}, &found, reason);
  gpu_lock.unlock();
  return status == CONVGRAD_OK;
}

}  // namespace convgrad
