#include "hardware.h"

#include <pthread.h>

#include <cstring>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace convgrad {
namespace {

struct Hardware {
  const char *name;
  const char *vendor;
  int family, model;
};

constexpr Hardware kHardware[] = {
#define CONVGRAD_HARDWARE(name, vendor, family, model) {#name, vendor, family, model},
#include "hardware.inc"
#undef CONVGRAD_HARDWARE
    {nullptr, nullptr, 0, 0}};

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  int reg, bit;
  uint64_t state;
};

constexpr Feature kFeatures[] = {
#define CONVGRAD_FEATURE(constant, name, leaf, subleaf, reg, bit, state) {name, leaf, subleaf, reg, bit, state},
#include "features.inc"
#undef CONVGRAD_FEATURE
};

Machine machine;
pthread_once_t machine_once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__) || defined(__i386__)
// The register states that the operating system saves. Valid only where CPUID reports OSXSAVE.
uint64_t read_xcr0() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

void detect_machine() {
  uint32_t r[4];
  if (!__get_cpuid(0, &r[0], &r[1], &r[2], &r[3])) return;
  const uint32_t vendor[3] = {r[1], r[3], r[2]};
  memcpy(machine.vendor, vendor, 12);
  if (!__get_cpuid(1, &r[0], &r[1], &r[2], &r[3])) return;
  const uint32_t base_family = (r[0] >> 8) & 0xf;
  machine.family = static_cast<int>(base_family + (base_family == 0xf ? (r[0] >> 20) & 0xff : 0));
  machine.model =
      static_cast<int>(((r[0] >> 4) & 0xf) | (base_family == 6 || base_family == 0xf ? (r[0] >> 12) & 0xf0 : 0));
  const bool osxsave = (r[2] >> 27) & 1;
  const uint64_t state = osxsave ? read_xcr0() : 0;
  bool known = false;
  for (int i = 0; i < FEATURE_COUNT; ++i) {
    const Feature &feature = kFeatures[i];
    if (i == 0 || feature.leaf != kFeatures[i - 1].leaf || feature.subleaf != kFeatures[i - 1].subleaf) {
      // A CPU without the subleaf answers zeros; without the leaf this returns 0.
      known = __get_cpuid_count(feature.leaf, feature.subleaf, &r[0], &r[1], &r[2], &r[3]) != 0;
    }
    if (known && ((r[feature.reg] >> feature.bit) & 1) && (state & feature.state) == feature.state) {
      machine.features |= uint64_t{1} << i;
    }
  }
  machine.hardware = find_hardware(machine.vendor, machine.family, machine.model);
}
#else
void detect_machine() {}
#endif

}  // namespace

const Machine &this_machine() {
  pthread_once(&machine_once, detect_machine);
  return machine;
}

const char *find_hardware(const char *vendor, int family, int model) {
  for (const Hardware *entry = kHardware; entry->name != nullptr; ++entry) {
    if (strcmp(entry->vendor, vendor) == 0 && entry->family == family && entry->model == model) return entry->name;
  }
  return nullptr;
}

Text features_text(uint64_t mask) {
  Text text;
  for (int i = 0; i < FEATURE_COUNT; ++i) {
    if (mask & (uint64_t{1} << i)) text.append("%s%s", text.empty() ? "" : " ", kFeatures[i].name);
  }
  return text;
}

}  // namespace convgrad
