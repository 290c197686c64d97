// What schedules count on of every device, and drivers are asked for.
#ifndef CONVGRAD_RUNTIME_GPU_LIMITS_H
#define CONVGRAD_RUNTIME_GPU_LIMITS_H

#include <cstdint>

namespace convgrad {

// Of a block of threads (a work group): the most threads, and bytes of shared (local) memory.
struct GpuLimits {
  int64_t threads, shared_bytes;
};
constexpr GpuLimits kCudaLimits = {1024, 48 * 1024};   // without opting in for more
constexpr GpuLimits kOpenClLimits = {256, 32 * 1024};  // from a CPU to a phone's GPU

}  // namespace convgrad

#endif
