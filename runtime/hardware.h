// What the machine is: features that both CPU and operating system give, and the name of its kind of CPU.
#ifndef CONVGRAD_RUNTIME_HARDWARE_H
#define CONVGRAD_RUNTIME_HARDWARE_H

#include <cstdint>

#include "last_error.h"

namespace convgrad {

enum FeatureIndex {
#define CONVGRAD_FEATURE(constant, name, leaf, subleaf, reg, bit, state) FEATURE_INDEX_##constant,
#include "features.inc"
#undef CONVGRAD_FEATURE
  FEATURE_COUNT
};

#define CONVGRAD_FEATURE(constant, name, leaf, subleaf, reg, bit, state) \
  constexpr uint64_t FEATURE_##constant = uint64_t{1} << FEATURE_INDEX_##constant;
#include "features.inc"
#undef CONVGRAD_FEATURE

struct Machine {
  uint64_t features;
  char vendor[13];  // CPUID's, "" where there is none
  int family, model;
  const char *hardware;  // the name that tuned rows use; NULL: not one that this build knows
};

// This machine, found once.
const Machine &this_machine();

// The name of the hardware with this vendor, family and model; NULL: none in this build.
const char *find_hardware(const char *vendor, int family, int model);

// "avx2 fma f16c"
Text features_text(uint64_t features);

}  // namespace convgrad

#endif
