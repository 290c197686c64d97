#include <cstring>

#include "gpu/device.h"
#include "memory.h"

namespace convgrad {
namespace {

// Devices outlive the contexts that found them, and so their applications' allocators.
constexpr Memory kMemory = {nullptr, nullptr, nullptr};

GpuModule *known_module(GpuDevice *device, const char *source) {
  pthread_mutex_lock(&device->mutex);
  GpuModule *module = device->modules;
  while (module != nullptr && module->source != source) module = module->next;
  pthread_mutex_unlock(&device->mutex);
  return module;
}

convgrad_status compile(GpuDevice *device, const Target &target, const char *source, size_t bytes, GpuModule **module,
                        Text *reason) {
  void *block = allocate(kMemory, sizeof(GpuModule), alignof(GpuModule), reason);
  if (block == nullptr) return CONVGRAD_OUT_OF_MEMORY;
  GpuModule *made = static_cast<GpuModule *>(block);
  *made = {nullptr, source, nullptr, nullptr};
  if (convgrad_status status = device->driver->load_module(device, target, source, bytes, made, reason)) {
    release(kMemory, made);
    return status;
  }
  pthread_mutex_lock(&device->mutex);
  made->next = device->modules;
  device->modules = made;
  pthread_mutex_unlock(&device->mutex);
  *module = made;
  return CONVGRAD_OK;
}

}  // namespace

convgrad_status find_module(GpuDevice *device, const Target &target, const char *source, size_t bytes,
                            GpuModule **module, Text *reason) {
  *module = known_module(device, source);
  if (*module != nullptr) return CONVGRAD_OK;
  pthread_mutex_lock(&device->compile);
  *module = known_module(device, source);  // by whom this one waited for
  const convgrad_status status =
      *module != nullptr ? CONVGRAD_OK : compile(device, target, source, bytes, module, reason);
  pthread_mutex_unlock(&device->compile);
  return status;
}

GpuFunction *find_function(GpuDevice *device, GpuModule *module, const char *name) {
  pthread_mutex_lock(&device->mutex);
  GpuFunction *function = module->functions;
  while (function != nullptr && strcmp(function->name, name) != 0) function = function->next;
  if (function == nullptr) {
    Text ignored;
    function = static_cast<GpuFunction *>(allocate(kMemory, sizeof(GpuFunction), alignof(GpuFunction), &ignored));
    if (function != nullptr) {
      *function = {module->functions, name, nullptr, 0, {}, 0};
      module->functions = function;
    }
  }
  pthread_mutex_unlock(&device->mutex);
  return function;
}

void unload_modules(GpuDevice *device) {
  while (GpuModule *module = device->modules) {
    device->modules = module->next;
    device->driver->unload_module(device, module);
    while (GpuFunction *function = module->functions) {
      module->functions = function->next;
      release(kMemory, function);
    }
    release(kMemory, module);
  }
}

}  // namespace convgrad
