#include "os/arm_cpu.h"

#if defined(__aarch64__)

#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdlib>

#include "hardware.h"

namespace convgrad {

uint64_t arm_features() {
  uint64_t features = 0;
#define CONVGRAD_FEATURE(constant, name, entry, bit) \
  if ((getauxval(entry) >> bit) & 1) features |= FEATURE_##constant;
#include "features_arm.inc"
#undef CONVGRAD_FEATURE
  return features;
}

// (The instruction that reads the register asks the CPU that it happens to run on.)
uint64_t midr_of_first_cpu() {
  char text[32] = "";
  const int file = open("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;  // an old kernel, an emulator, or no /sys
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length > 0 ? strtoull(text, nullptr, 0) : 0;
}

}  // namespace convgrad

#endif
