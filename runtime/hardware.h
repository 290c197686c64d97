// What the machine is: features that both CPU and operating system give, and the name of its kind of CPU.
#ifndef CONVGRAD_RUNTIME_HARDWARE_H
#define CONVGRAD_RUNTIME_HARDWARE_H

#include <cstdint>

#include "last_error.h"

namespace convgrad {

// Of all processors, so that choosing can be tested for machines that are not here.
enum FeatureIndex {
#define CONVGRAD_FEATURE(constant, ...) FEATURE_INDEX_##constant,
#include "features_arm.inc"
#include "features_x86.inc"
#undef CONVGRAD_FEATURE
  FEATURE_COUNT
};
static_assert(FEATURE_COUNT <= 64, "a mask has 64 bits");

#define CONVGRAD_FEATURE(constant, ...) constexpr uint64_t FEATURE_##constant = uint64_t{1} << FEATURE_INDEX_##constant;
#include "features_arm.inc"
#include "features_x86.inc"
#undef CONVGRAD_FEATURE

// What rows tuned for one kind of CPU name it by.
//   x86: CPUID's vendor, family and model ("AuthenticAMD", 25, 33)
//   ARM: MIDR's implementer, 8 and part number ("0x41", 8, 3340 for Neoverse-N1), as /proc/cpuinfo has them
struct CpuId {
  char vendor[13];  // "": not known
  int family, model;
};

struct Machine {
  uint64_t features;
  CpuId cpu;
  const char *hardware;  // the name that tuned rows use; NULL: not one that this build knows
};

// This machine, found once.
const Machine &this_machine();

// The name of the hardware of this kind; NULL: none in this build.
const char *find_hardware(const CpuId &cpu);

// What ARM's register MIDR_EL1 says.
CpuId cpu_of_midr(uint64_t midr);

// "avx2 fma f16c"
Text features_text(uint64_t features);

}  // namespace convgrad

#endif
