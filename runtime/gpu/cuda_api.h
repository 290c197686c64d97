// The part of CUDA's driver API that the runtime uses, declared here so that building needs no CUDA toolkit.
// tests/gpu/cuda_api_test.cpp compares it with cuda.h where there is one.
#ifndef CONVGRAD_RUNTIME_GPU_CUDA_API_H
#define CONVGRAD_RUNTIME_GPU_CUDA_API_H

#include <cstddef>

namespace convgrad {
namespace cuda {

typedef int Result;
typedef int Device;
typedef unsigned long long DevicePtr;
typedef void *Context, *Stream, *Module, *Function;

enum {
  kSuccess = 0,
  kErrorOutOfMemory = 2,
  kErrorNoDevice = 100,
};
enum {
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
  kMaxSharedMemoryPerBlockOptin = 97,
  kMemoryPoolsSupported = 115,
};
enum {
  kJitMaxRegisters = 0,
  kJitErrorLogBuffer = 5,
  kJitErrorLogBufferSizeBytes = 6,
};
constexpr int kFuncMaxDynamicSharedSize = 8;
constexpr unsigned kStreamNonBlocking = 1;

// Name as exported, then the parameters; all return Result.
#define CONVGRAD_CUDA_FUNCTIONS(FUNCTION)                                                                         \
  FUNCTION(cuInit, (unsigned flags))                                                                              \
  FUNCTION(cuGetErrorName, (Result error, const char **name))                                                     \
  FUNCTION(cuGetErrorString, (Result error, const char **text))                                                   \
  FUNCTION(cuDeviceGetCount, (int *count))                                                                        \
  FUNCTION(cuDeviceGet, (Device * device, int ordinal))                                                           \
  FUNCTION(cuDeviceGetName, (char *name, int bytes, Device device))                                               \
  FUNCTION(cuDeviceGetAttribute, (int *value, int attribute, Device device))                                      \
  FUNCTION(cuDevicePrimaryCtxRetain, (Context * context, Device device))                                          \
  FUNCTION(cuDevicePrimaryCtxRelease_v2, (Device device))                                                         \
  FUNCTION(cuCtxPushCurrent_v2, (Context context))                                                                \
  FUNCTION(cuCtxPopCurrent_v2, (Context * context))                                                               \
  FUNCTION(cuCtxGetDevice, (Device * device))                                                                     \
  FUNCTION(cuStreamCreate, (Stream * stream, unsigned flags))                                                     \
  FUNCTION(cuStreamDestroy_v2, (Stream stream))                                                                   \
  FUNCTION(cuStreamGetCtx, (Stream stream, Context * context))                                                    \
  FUNCTION(cuStreamSynchronize, (Stream stream))                                                                  \
  FUNCTION(cuMemAlloc_v2, (DevicePtr * pointer, size_t bytes))                                                    \
  FUNCTION(cuMemFree_v2, (DevicePtr pointer))                                                                     \
  FUNCTION(cuMemAllocAsync, (DevicePtr * pointer, size_t bytes, Stream stream))                                   \
  FUNCTION(cuMemFreeAsync, (DevicePtr pointer, Stream stream))                                                    \
  FUNCTION(cuMemcpyHtoDAsync_v2, (DevicePtr to, const void *from, size_t bytes, Stream stream))                   \
  FUNCTION(cuMemcpyDtoHAsync_v2, (void *to, DevicePtr from, size_t bytes, Stream stream))                         \
  FUNCTION(cuMemcpyDtoDAsync_v2, (DevicePtr to, DevicePtr from, size_t bytes, Stream stream))                     \
  FUNCTION(cuMemsetD8Async, (DevicePtr to, unsigned char value, size_t bytes, Stream stream))                     \
  FUNCTION(cuModuleLoadDataEx, (Module * module, const void *image, unsigned count, int *options, void **values)) \
  FUNCTION(cuModuleUnload, (Module module))                                                                       \
  FUNCTION(cuModuleGetFunction, (Function * function, Module module, const char *name))                           \
  FUNCTION(cuFuncSetAttribute, (Function function, int attribute, int value))                                     \
  FUNCTION(cuLaunchKernel, (Function function, unsigned blocks_x, unsigned blocks_y, unsigned blocks_z,           \
                            unsigned threads_x, unsigned threads_y, unsigned threads_z, unsigned shared_bytes,    \
                            Stream stream, void **arguments, void **extra))

struct Functions {
#define CONVGRAD_CUDA_FUNCTION(name, parameters) Result(*name) parameters;
  CONVGRAD_CUDA_FUNCTIONS(CONVGRAD_CUDA_FUNCTION)
#undef CONVGRAD_CUDA_FUNCTION
};

}  // namespace cuda
}  // namespace convgrad

#endif
