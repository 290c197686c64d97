// The part of OpenCL 1.2 that the runtime uses, declared here so that building needs no headers of it.
// tests/gpu/opencl_api_test.cpp compares it with CL/cl.h.
#ifndef CONVGRAD_RUNTIME_GPU_OPENCL_API_H
#define CONVGRAD_RUNTIME_GPU_OPENCL_API_H

#include <cstddef>
#include <cstdint>

namespace convgrad {
namespace opencl {

typedef int32_t Int;
typedef uint32_t Uint;
typedef uint64_t Bitfield;
typedef void *Platform, *Device, *Context, *Queue, *Mem, *Program, *KernelObject, *Event;

constexpr Int kSuccess = 0;
constexpr Int kDeviceNotFound = -1, kMemObjectAllocationFailure = -4, kOutOfHostMemory = -6, kBuildProgramFailure = -11,
              kInvalidMemObject = -38, kInvalidBufferSize = -61;

constexpr Bitfield kDeviceTypeGpu = 1 << 2, kDeviceTypeAll = 0xffffffff;
constexpr Uint kDeviceType = 0x1000, kDeviceMaxWorkGroupSize = 0x1004, kDeviceLocalMemSize = 0x1023,
               kDeviceAvailable = 0x1027, kDeviceCompilerAvailable = 0x1028, kDeviceName = 0x102B,
               kDeviceVersion = 0x102F, kDeviceDoubleFpConfig = 0x1032;
constexpr Uint kContextDevices = 0x1081;
constexpr intptr_t kContextPlatform = 0x1084;
constexpr Uint kQueueContext = 0x1090, kQueueDevice = 0x1091, kQueueProperties = 0x1093;
constexpr Bitfield kQueueOutOfOrder = 1;
constexpr Bitfield kMemReadWrite = 1;
constexpr Uint kMemSize = 0x1102, kMemContext = 0x1106, kMemAssociatedMemobject = 0x1107, kMemOffset = 0x1108;
constexpr Uint kProgramBuildLog = 0x1183;
constexpr Uint kEventCommandExecutionStatus = 0x11D3;

// Result, name, parameters. Callbacks are never given.
#define CONVGRAD_OPENCL_FUNCTIONS(FUNCTION)                                                                         \
  FUNCTION(Int, clGetPlatformIDs, (Uint room, Platform * platforms, Uint * count))                                  \
  FUNCTION(Int, clGetDeviceIDs, (Platform platform, Bitfield type, Uint room, Device * devices, Uint * count))      \
  FUNCTION(Int, clGetDeviceInfo, (Device device, Uint what, size_t room, void *value, size_t *bytes))               \
  FUNCTION(Context, clCreateContext,                                                                                \
           (const intptr_t *properties, Uint count, const Device *devices, void *callback, void *user, Int *error)) \
  FUNCTION(Int, clRetainContext, (Context context))                                                                 \
  FUNCTION(Int, clReleaseContext, (Context context))                                                                \
  FUNCTION(Int, clGetContextInfo, (Context context, Uint what, size_t room, void *value, size_t *bytes))            \
  FUNCTION(Queue, clCreateCommandQueue, (Context context, Device device, Bitfield properties, Int * error))         \
  FUNCTION(Int, clRetainCommandQueue, (Queue queue))                                                                \
  FUNCTION(Int, clReleaseCommandQueue, (Queue queue))                                                               \
  FUNCTION(Int, clGetCommandQueueInfo, (Queue queue, Uint what, size_t room, void *value, size_t *bytes))           \
  FUNCTION(Mem, clCreateBuffer, (Context context, Bitfield flags, size_t bytes, void *host, Int *error))            \
  FUNCTION(Int, clReleaseMemObject, (Mem memory))                                                                   \
  FUNCTION(Int, clGetMemObjectInfo, (Mem memory, Uint what, size_t room, void *value, size_t *bytes))               \
  FUNCTION(Program, clCreateProgramWithSource,                                                                      \
           (Context context, Uint count, const char **strings, const size_t *lengths, Int *error))                  \
  FUNCTION(Int, clBuildProgram,                                                                                     \
           (Program program, Uint count, const Device *devices, const char *options, void *callback, void *user))   \
  FUNCTION(Int, clGetProgramBuildInfo,                                                                              \
           (Program program, Device device, Uint what, size_t room, void *value, size_t *bytes))                    \
  FUNCTION(Int, clReleaseProgram, (Program program))                                                                \
  FUNCTION(KernelObject, clCreateKernel, (Program program, const char *name, Int *error))                           \
  FUNCTION(Int, clReleaseKernel, (KernelObject kernel))                                                             \
  FUNCTION(Int, clSetKernelArg, (KernelObject kernel, Uint index, size_t bytes, const void *value))                 \
  FUNCTION(Int, clEnqueueNDRangeKernel,                                                                             \
           (Queue queue, KernelObject kernel, Uint dimensions, const size_t *offset, const size_t *global,          \
            const size_t *local, Uint waits, const Event *wait_for, Event *event))                                  \
  FUNCTION(Int, clEnqueueWriteBuffer,                                                                               \
           (Queue queue, Mem memory, Uint blocking, size_t offset, size_t bytes, const void *from, Uint waits,      \
            const Event *wait_for, Event *event))                                                                   \
  FUNCTION(Int, clEnqueueReadBuffer,                                                                                \
           (Queue queue, Mem memory, Uint blocking, size_t offset, size_t bytes, void *to, Uint waits,              \
            const Event *wait_for, Event *event))                                                                   \
  FUNCTION(Int, clEnqueueCopyBuffer,                                                                                \
           (Queue queue, Mem from, Mem to, size_t from_offset, size_t to_offset, size_t bytes, Uint waits,          \
            const Event *wait_for, Event *event))                                                                   \
  FUNCTION(Int, clEnqueueFillBuffer,                                                                                \
           (Queue queue, Mem memory, const void *pattern, size_t pattern_bytes, size_t offset, size_t bytes,        \
            Uint waits, const Event *wait_for, Event *event))                                                       \
  FUNCTION(Int, clEnqueueMarkerWithWaitList, (Queue queue, Uint waits, const Event *wait_for, Event *event))        \
  FUNCTION(Int, clFlush, (Queue queue))                                                                             \
  FUNCTION(Int, clFinish, (Queue queue))                                                                            \
  FUNCTION(Int, clGetEventInfo, (Event event, Uint what, size_t room, void *value, size_t *bytes))                  \
  FUNCTION(Int, clReleaseEvent, (Event event))

struct Functions {
#define CONVGRAD_OPENCL_FUNCTION(result, name, parameters) result(*name) parameters;
  CONVGRAD_OPENCL_FUNCTIONS(CONVGRAD_OPENCL_FUNCTION)
#undef CONVGRAD_OPENCL_FUNCTION
};

}  // namespace opencl
}  // namespace convgrad

#endif
