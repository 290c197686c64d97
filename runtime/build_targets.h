// One constant a target of this build: target_x86_64_avx2 and so on; and which kinds of devices they are for.
#ifndef CONVGRAD_RUNTIME_BUILD_TARGETS_H
#define CONVGRAD_RUNTIME_BUILD_TARGETS_H

#include "targets.h"

namespace convgrad {

#define CONVGRAD_TARGET(name, priority, features, device, capability, max_registers) extern const Target target_##name;
#include "targets.inc"
#undef CONVGRAD_TARGET

// Whether the build has a target for such a device. The code for GPUs is compiled and named only where it does.
constexpr bool has_device(DeviceKind kind) {
  const DeviceKind kinds[] = {
#define CONVGRAD_TARGET(name, priority, features, device, capability, max_registers) DeviceKind::device,
#include "targets.inc"
#undef CONVGRAD_TARGET
  };
  for (const DeviceKind device : kinds) {
    if (device == kind) return true;
  }
  return false;
}
constexpr bool kHasCuda = has_device(DeviceKind::CUDA);
constexpr bool kHasOpenCl = has_device(DeviceKind::OPENCL);
constexpr bool kHasGpu = kHasCuda || kHasOpenCl;

}  // namespace convgrad

#endif
