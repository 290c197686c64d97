#include <cstdint>
#include <cstdio>
#include <cstring>

#include "gpu/device.h"
#include "gpu/limits.h"
#include "gpu/opencl_api.h"
#include "memory.h"
#include "os/library.h"

namespace convgrad {
namespace {

using namespace opencl;

Functions api;

constexpr Symbol kSymbols[] = {
#define CONVGRAD_OPENCL_FUNCTION(result, name, parameters) {#name, offsetof(Functions, name)},
    CONVGRAD_OPENCL_FUNCTIONS(CONVGRAD_OPENCL_FUNCTION)
#undef CONVGRAD_OPENCL_FUNCTION
};

Library library = {
    "libOpenCL.so.1", "OpenCL library", kSymbols, sizeof kSymbols / sizeof kSymbols[0], &api, nullptr, 0};

constexpr size_t kWorkGroup = kOpenClLimits.threads;
constexpr uint64_t kLocalMemory = kOpenClLimits.shared_bytes;

constexpr convgrad::Memory kHostMemory = {nullptr, nullptr, nullptr};

constexpr int kMaxPlatforms = 16, kMaxDevices = 64;

struct ErrorName {
  Int error;
  const char *name;
};

// OpenCL has no function for its errors' names.
constexpr ErrorName kErrorNames[] = {
    {-1, "CL_DEVICE_NOT_FOUND"},
    {-2, "CL_DEVICE_NOT_AVAILABLE"},
    {-3, "CL_COMPILER_NOT_AVAILABLE"},
    {-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
    {-5, "CL_OUT_OF_RESOURCES"},
    {-6, "CL_OUT_OF_HOST_MEMORY"},
    {-11, "CL_BUILD_PROGRAM_FAILURE"},
    {-14, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"},
    {-30, "CL_INVALID_VALUE"},
    {-33, "CL_INVALID_DEVICE"},
    {-34, "CL_INVALID_CONTEXT"},
    {-36, "CL_INVALID_COMMAND_QUEUE"},
    {-38, "CL_INVALID_MEM_OBJECT"},
    {-42, "CL_INVALID_BINARY"},
    {-43, "CL_INVALID_BUILD_OPTIONS"},
    {-44, "CL_INVALID_PROGRAM"},
    {-45, "CL_INVALID_PROGRAM_EXECUTABLE"},
    {-46, "CL_INVALID_KERNEL_NAME"},
    {-48, "CL_INVALID_KERNEL"},
    {-49, "CL_INVALID_ARG_INDEX"},
    {-50, "CL_INVALID_ARG_VALUE"},
    {-51, "CL_INVALID_ARG_SIZE"},
    {-52, "CL_INVALID_KERNEL_ARGS"},
    {-54, "CL_INVALID_WORK_GROUP_SIZE"},
    {-55, "CL_INVALID_WORK_ITEM_SIZE"},
    {-59, "CL_INVALID_OPERATION"},
    {-61, "CL_INVALID_BUFFER_SIZE"},
    {-63, "CL_INVALID_GLOBAL_WORK_SIZE"},
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
};

convgrad_status failed(const char *what, Int error, Text *reason) {
  const char *name = "an error without a name";
  for (const ErrorName &known : kErrorNames) {
    if (known.error == error) name = known.name;
  }
  reason->append("%s failed: %s (%d)", what, name, error);
  const bool memory = error == kMemObjectAllocationFailure || error == kOutOfHostMemory || error == kInvalidBufferSize;
  return memory ? CONVGRAD_OUT_OF_MEMORY : CONVGRAD_DEVICE_ERROR;
}

#define CONVGRAD_OPENCL_TRY(function, ...) \
  if (const Int error = api.function(__VA_ARGS__)) return failed(#function, error, reason)

Mem memory_of(const Place &place) { return reinterpret_cast<Mem>(place.memory); }
Device device_of(const GpuDevice *device) { return reinterpret_cast<Device>(device->id); }

template <typename T>
T device_info(Device device, Uint what) {
  T value = T();
  return api.clGetDeviceInfo(device, what, sizeof value, &value, nullptr) == kSuccess ? value : T();
}

// Whether the device has what kernels count on; appends its name and what it lacks.
bool suits(Device id, GpuDevice *device, Text *reason) {
  device->id = reinterpret_cast<uintptr_t>(id);
  if (api.clGetDeviceInfo(id, kDeviceName, sizeof device->name, device->name, nullptr) != kSuccess) {
    snprintf(device->name, sizeof device->name, "a device");
  }
  device->name[sizeof device->name - 1] = '\0';
  char version[512] = "";  // "OpenCL 1.2 and what the vendor adds"
  int major = 0, minor = 0;
  api.clGetDeviceInfo(id, kDeviceVersion, sizeof version - 1, version, nullptr);
  const bool old = sscanf(version, "OpenCL %d.%d", &major, &minor) == 2 && 10 * major + minor < 12;
  const uint64_t local = device_info<uint64_t>(id, kDeviceLocalMemSize);
  const size_t group = device_info<size_t>(id, kDeviceMaxWorkGroupSize);
  device->no_doubles = device_info<Bitfield>(id, kDeviceDoubleFpConfig) == 0;
  if (!device_info<Uint>(id, kDeviceAvailable) || !device_info<Uint>(id, kDeviceCompilerAvailable)) {
    reason->append("%s is not available, or has no compiler", device->name);
  } else if (old) {
    reason->append("%s has OpenCL %d.%d, kernels need 1.2", device->name, major, minor);
  } else if (local < kLocalMemory || group < kWorkGroup) {
    reason->append("%s has %llu bytes of local memory and work groups of %zu, kernels need %llu and %zu", device->name,
                   static_cast<unsigned long long>(local), group, static_cast<unsigned long long>(kLocalMemory),
                   kWorkGroup);
  } else {
    return true;
  }
  return false;
}

// The device of the context or the queue that the application named.
convgrad_status find_given(const GpuRequest &request, GpuDevice *device, Text *reason) {
  Device id = nullptr;
  device->context = request.device;
  if (request.queue != nullptr) {
    Context context = nullptr;
    Bitfield properties = 0;
    CONVGRAD_OPENCL_TRY(clGetCommandQueueInfo, request.queue, kQueueContext, sizeof context, &context, nullptr);
    CONVGRAD_OPENCL_TRY(clGetCommandQueueInfo, request.queue, kQueueDevice, sizeof id, &id, nullptr);
    CONVGRAD_OPENCL_TRY(clGetCommandQueueInfo, request.queue, kQueueProperties, sizeof properties, &properties,
                        nullptr);
    if (request.device != nullptr && context != request.device) {
      reason->append("options.queue belongs to cl_context %p, options.device is %p, expected one of them or a pair",
                     context, request.device);
      return CONVGRAD_INVALID_ARGUMENT;
    }
    if (properties & kQueueOutOfOrder) {
      reason->append("options.queue runs its commands out of order, expected one that keeps their order");
      return CONVGRAD_UNSUPPORTED;
    }
    device->context = context;
  } else {
    Device devices[kMaxDevices] = {};
    CONVGRAD_OPENCL_TRY(clGetContextInfo, request.device, kContextDevices, sizeof devices, devices, nullptr);
    id = devices[0];
  }
  return suits(id, device, reason) ? CONVGRAD_OK : CONVGRAD_UNSUPPORTED;
}

convgrad_status find(const GpuRequest &request, GpuDevice *device, Text *reason) {
  if (convgrad_status status = load_library(&library, reason)) return status;
  if (request.device != nullptr || request.queue != nullptr) return find_given(request, device, reason);
  device->own_context = true;
  Platform platforms[kMaxPlatforms];
  Uint platform_count = 0;
  if (const Int error = api.clGetPlatformIDs(kMaxPlatforms, platforms, &platform_count)) {
    reason->append("there is no OpenCL driver: ");
    failed("clGetPlatformIDs", error, reason);
    return CONVGRAD_UNSUPPORTED;
  }
  Text refused;
  for (int round = 0; round < 2; ++round) {
    for (Uint p = 0; p < platform_count && p < kMaxPlatforms; ++p) {
      Device devices[kMaxDevices];
      Uint count = 0;
      if (api.clGetDeviceIDs(platforms[p], kDeviceTypeAll, kMaxDevices, devices, &count) != kSuccess) continue;
      for (Uint d = 0; d < count && d < kMaxDevices; ++d) {
        const bool is_gpu = device_info<Bitfield>(devices[d], kDeviceType) & kDeviceTypeGpu;
        if (is_gpu != (round == 0)) continue;  // GPUs first
        refused.append("%s", refused.empty() ? "" : "; ");
        if (suits(devices[d], device, &refused)) return CONVGRAD_OK;
      }
    }
  }
  reason->append("%s", refused.empty() ? "no OpenCL platform has a device" : refused.c_str());
  return CONVGRAD_UNSUPPORTED;
}

convgrad_status open_device(GpuDevice *device, Text *reason) {
  if (!device->own_context) {
    CONVGRAD_OPENCL_TRY(clRetainContext, device->context);
    return CONVGRAD_OK;
  }
  const Device id = device_of(device);
  Int error = kSuccess;
  device->context = api.clCreateContext(nullptr, 1, &id, nullptr, nullptr, &error);
  return device->context != nullptr ? CONVGRAD_OK : failed("clCreateContext", error, reason);
}

void close_device(GpuDevice *device) { api.clReleaseContext(device->context); }

convgrad_status open_queue(Gpu *gpu, void *queue, Text *reason) {
  gpu->own_queue = queue == nullptr;
  gpu->queue = queue;
  if (!gpu->own_queue) {
    CONVGRAD_OPENCL_TRY(clRetainCommandQueue, queue);
    return CONVGRAD_OK;
  }
  Int error = kSuccess;
  gpu->queue = api.clCreateCommandQueue(gpu->device->context, device_of(gpu->device), 0, &error);
  return gpu->queue != nullptr ? CONVGRAD_OK : failed("clCreateCommandQueue", error, reason);
}

void close_queue(Gpu *gpu) {
  if (Event event = gpu->last_event.exchange(nullptr)) api.clReleaseEvent(event);
  api.clReleaseCommandQueue(gpu->queue);
}

convgrad_status enter(GpuDevice *, Text *) { return CONVGRAD_OK; }
void leave(GpuDevice *) {}

convgrad_status allocate(Gpu *gpu, size_t bytes, uint64_t *memory, Text *reason) {
  Int error = kSuccess;
  const Mem made = api.clCreateBuffer(gpu->device->context, kMemReadWrite, bytes, nullptr, &error);
  if (made == nullptr) return failed("clCreateBuffer", error, reason);
  *memory = reinterpret_cast<uintptr_t>(made);
  return CONVGRAD_OK;
}

// OpenCL keeps it for what is enqueued.
void release(Gpu *, uint64_t memory) { api.clReleaseMemObject(reinterpret_cast<Mem>(memory)); }

convgrad_status copy_in(Gpu *gpu, const Place &to, const void *from, size_t bytes, Text *reason) {
  CONVGRAD_OPENCL_TRY(clEnqueueWriteBuffer, gpu->queue, memory_of(to), 0, static_cast<size_t>(to.offset), bytes, from,
                      0, nullptr, nullptr);
  return CONVGRAD_OK;
}

convgrad_status copy_out(Gpu *gpu, void *to, const Place &from, size_t bytes, Text *reason) {
  CONVGRAD_OPENCL_TRY(clEnqueueReadBuffer, gpu->queue, memory_of(from), 0, static_cast<size_t>(from.offset), bytes, to,
                      0, nullptr, nullptr);
  return CONVGRAD_OK;
}

convgrad_status copy(Gpu *gpu, const Place &to, const Place &from, size_t bytes, Text *reason) {
  CONVGRAD_OPENCL_TRY(clEnqueueCopyBuffer, gpu->queue, memory_of(from), memory_of(to), static_cast<size_t>(from.offset),
                      static_cast<size_t>(to.offset), bytes, 0, nullptr, nullptr);
  return CONVGRAD_OK;
}

convgrad_status fill_zeros(Gpu *gpu, const Place &to, size_t bytes, Text *reason) {
  const uint8_t zero[2] = {0, 0};  // the size of the smallest element
  CONVGRAD_OPENCL_TRY(clEnqueueFillBuffer, gpu->queue, memory_of(to), zero, sizeof zero, static_cast<size_t>(to.offset),
                      bytes, 0, nullptr, nullptr);
  return CONVGRAD_OK;
}

// The failure of what an event stands for, which is released.
convgrad_status take_event(Event event, Text *reason) {
  Int state = 0;
  const Int error = api.clGetEventInfo(event, kEventCommandExecutionStatus, sizeof state, &state, nullptr);
  api.clReleaseEvent(event);
  return error == kSuccess && state < 0 ? failed("the work of an earlier call", state, reason) : CONVGRAD_OK;
}

convgrad_status synchronize(Gpu *gpu, Text *reason) {
  Event event = nullptr;
  CONVGRAD_OPENCL_TRY(clEnqueueMarkerWithWaitList, gpu->queue, 0, nullptr, &event);
  if (const Int error = api.clFinish(gpu->queue)) {
    api.clReleaseEvent(event);
    return failed("clFinish", error, reason);
  }
  return take_event(event, reason);
}

convgrad_status flush(Gpu *gpu, Text *reason) {
  Event event = nullptr;
  CONVGRAD_OPENCL_TRY(clEnqueueMarkerWithWaitList, gpu->queue, 0, nullptr, &event);
  if (Event before = gpu->last_event.exchange(event)) api.clReleaseEvent(before);
  CONVGRAD_OPENCL_TRY(clFlush, gpu->queue);
  return CONVGRAD_OK;
}

convgrad_status check(Gpu *gpu, Text *reason) {
  Event event = gpu->last_event.exchange(nullptr);
  return event == nullptr ? CONVGRAD_OK : take_event(event, reason);
}

// The first lines of the compiler's messages.
void append_build_log(Program program, Device device, Text *reason) {
  size_t bytes = 0;
  if (api.clGetProgramBuildInfo(program, device, kProgramBuildLog, 0, nullptr, &bytes) != kSuccess || bytes < 2) return;
  Text ignored;
  char *log = static_cast<char *>(convgrad::allocate(kHostMemory, bytes + 1, 1, &ignored));
  if (log == nullptr) return;
  if (api.clGetProgramBuildInfo(program, device, kProgramBuildLog, bytes, log, nullptr) == kSuccess) {
    log[bytes] = '\0';
    reason->append(": %.300s", log);
  }
  convgrad::release(kHostMemory, log);
}

convgrad_status load_module(GpuDevice *device, const Target &, const char *source, size_t bytes, GpuModule *module,
                            Text *reason) {
  Int error = kSuccess;
  const Program program = api.clCreateProgramWithSource(device->context, 1, &source, &bytes, &error);
  if (program == nullptr) return failed("clCreateProgramWithSource", error, reason);
  const Device id = device_of(device);
  // Halide's code asks how much may be put into constant memory. None: the arguments are large.
  error = api.clBuildProgram(program, 1, &id, "-cl-std=CL1.2 -D MAX_CONSTANT_BUFFER_SIZE=0 -D MAX_CONSTANT_ARGS=0",
                             nullptr, nullptr);
  if (error != kSuccess) {
    const convgrad_status status = failed("clBuildProgram", error, reason);
    append_build_log(program, id, reason);
    api.clReleaseProgram(program);
    return status;
  }
  module->handle = program;
  return CONVGRAD_OK;
}

void unload_module(GpuDevice *, GpuModule *module) {
  for (GpuFunction *function = module->functions; function != nullptr; function = function->next) {
    for (size_t i = 0; i < function->idle_count; ++i) api.clReleaseKernel(function->idle[i]);
  }
  api.clReleaseProgram(module->handle);
}

convgrad_status enqueue(Gpu *gpu, KernelObject kernel, const GpuLaunch &launch, Text *reason) {
  Uint index = 0;
  for (; launch.sizes[index] != 0; ++index) {
    CONVGRAD_OPENCL_TRY(clSetKernelArg, kernel, index, launch.sizes[index], launch.arguments[index]);
  }
  // Halide's kernels get their local memory as a last argument, at least a byte of it.
  const size_t shared = launch.shared_bytes > 0 ? static_cast<size_t>(launch.shared_bytes) : 1;
  CONVGRAD_OPENCL_TRY(clSetKernelArg, kernel, index, shared, nullptr);
  size_t global[3], local[3];
  for (int i = 0; i < 3; ++i) {
    local[i] = static_cast<size_t>(launch.threads[i]);
    global[i] = local[i] * static_cast<size_t>(launch.blocks[i]);
  }
  CONVGRAD_OPENCL_TRY(clEnqueueNDRangeKernel, gpu->queue, kernel, 3, nullptr, global, local, 0, nullptr, nullptr);
  return CONVGRAD_OK;
}

convgrad_status launch(Gpu *gpu, GpuModule *module, GpuFunction *function, const GpuLaunch &launch, Text *reason) {
  GpuDevice *device = gpu->device;
  // Arguments are a kernel object's state, so each launch has one to itself until it is enqueued.
  pthread_mutex_lock(&device->mutex);
  KernelObject kernel = function->idle_count > 0 ? function->idle[--function->idle_count] : nullptr;
  pthread_mutex_unlock(&device->mutex);
  if (kernel == nullptr) {
    Int error = kSuccess;
    kernel = api.clCreateKernel(module->handle, function->name, &error);
    if (kernel == nullptr) return failed("clCreateKernel", error, reason);
  }
  const convgrad_status status = enqueue(gpu, kernel, launch, reason);
  pthread_mutex_lock(&device->mutex);
  const bool keep = function->idle_count < kMaxIdleKernels;
  if (keep) function->idle[function->idle_count++] = kernel;
  pthread_mutex_unlock(&device->mutex);
  if (!keep) api.clReleaseKernel(kernel);
  return status;
}

convgrad_status locate(Gpu *gpu, const Place &place, uint64_t bytes, DeviceRange *range, Text *reason) {
  const Mem memory = memory_of(place);
  size_t size = 0, origin = 0;
  Context context = nullptr;
  Mem parent = nullptr;
  Int error = api.clGetMemObjectInfo(memory, kMemSize, sizeof size, &size, nullptr);
  if (error == kSuccess) error = api.clGetMemObjectInfo(memory, kMemContext, sizeof context, &context, nullptr);
  if (error == kSuccess) {
    error = api.clGetMemObjectInfo(memory, kMemAssociatedMemobject, sizeof parent, &parent, nullptr);
  }
  if (error == kSuccess && parent != nullptr) {
    error = api.clGetMemObjectInfo(memory, kMemOffset, sizeof origin, &origin, nullptr);
  }
  if (error != kSuccess) {
    reason->append("expected a cl_mem: ");
    failed("clGetMemObjectInfo", error, reason);
    return CONVGRAD_INVALID_ARGUMENT;
  }
  if (context != gpu->device->context) {
    reason->append("expected a cl_mem of the context's cl_context %p, this one belongs to %p", gpu->device->context,
                   context);
    return CONVGRAD_INVALID_ARGUMENT;
  }
  const uint64_t begin = static_cast<uint64_t>(place.offset);
  if (begin > size || bytes > size - begin) {
    reason->append("expected a cl_mem of at least %llu bytes, this one has %zu",
                   static_cast<unsigned long long>(begin) + bytes, size);
    return CONVGRAD_INVALID_ARGUMENT;
  }
  range->allocation = reinterpret_cast<uintptr_t>(parent != nullptr ? parent : memory);
  range->begin = origin + begin;
  range->end = range->begin + bytes;
  return CONVGRAD_OK;
}

}  // namespace

const Driver opencl_driver = {DeviceKind::OPENCL, "OpenCL",    CONVGRAD_OPENCL, find,     open_device,
                              close_device,       open_queue,  close_queue,     enter,    leave,
                              allocate,           release,     copy_in,         copy_out, copy,
                              fill_zeros,         synchronize, flush,           check,    load_module,
                              unload_module,      launch,      locate};

}  // namespace convgrad
