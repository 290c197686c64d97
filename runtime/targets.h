// The targets of this build.
#ifndef CONVGRAD_RUNTIME_TARGETS_H
#define CONVGRAD_RUNTIME_TARGETS_H

#include <cstddef>
#include <cstdint>

#include "last_error.h"

namespace convgrad {

enum class DeviceKind { CPU, CUDA, OPENCL };

struct Target {
  const char *name;
  int priority;       // higher is tried first; 0: only when asked for by name
  uint64_t features;  // what its code needs of a CPU
  DeviceKind device;
  int capability;     // CUDA: ten times the compute capability that its code needs
  int max_registers;  // CUDA: that a thread may have
};

const Target *find_target(const char *name);  // NULL: not in this build

// The targets of a kind of device by falling priority, from `index` 0 on; NULL past the last.
const Target *target_of_device(DeviceKind device, size_t index);

// "cuda" or "opencl", which stand for the best target of their kind; CPU for every other name.
DeviceKind device_named(const char *name);

Text target_names();  // "x86_64_avx2, x86_64_sse41"

}  // namespace convgrad

#endif
