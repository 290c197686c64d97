#include "targets.h"

#include <cstring>

#include "build_targets.h"
#include "hardware.h"

namespace convgrad {

#define CONVGRAD_TARGET(name, priority, features, device, capability, max_registers) \
  const Target target_##name = {#name, priority, features, DeviceKind::device, capability, max_registers};
#include "targets.inc"
#undef CONVGRAD_TARGET

namespace {

constexpr const Target *kTargets[] = {
#define CONVGRAD_TARGET(name, priority, features, device, capability, max_registers) &target_##name,
#include "targets.inc"
#undef CONVGRAD_TARGET
};

}  // namespace

const Target *find_target(const char *name) {
  for (const Target *target : kTargets) {
    if (strcmp(target->name, name) == 0) return target;
  }
  return nullptr;
}

const Target *target_of_device(DeviceKind device, size_t index) {
  for (const Target *target : kTargets) {  // by falling priority
    if (target->device == device && index-- == 0) return target;
  }
  return nullptr;
}

DeviceKind device_named(const char *name) {
  if (strcmp(name, "cuda") == 0) return DeviceKind::CUDA;
  if (strcmp(name, "opencl") == 0) return DeviceKind::OPENCL;
  return DeviceKind::CPU;
}

Text target_names() {
  Text text;
  for (const Target *target : kTargets) text.append("%s%s", text.empty() ? "" : ", ", target->name);
  return text;
}

}  // namespace convgrad
