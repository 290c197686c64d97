#include "hardware.h"

#include <pthread.h>

#include <cstdio>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include "os/arm_cpu.h"
#endif

namespace convgrad {
namespace {

struct Hardware {
  const char *name;
  CpuId cpu;
};

constexpr Hardware kHardware[] = {
#define CONVGRAD_HARDWARE(name, vendor, family, model) {#name, {vendor, family, model}},
#include "hardware.inc"
#undef CONVGRAD_HARDWARE
    {nullptr, {"", 0, 0}}};

constexpr const char *kFeatureNames[] = {
#define CONVGRAD_FEATURE(constant, name, ...) name,
#include "features_arm.inc"
#include "features_x86.inc"
#undef CONVGRAD_FEATURE
};

Machine machine;
pthread_once_t machine_once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)

struct Feature {
  int index;
  uint32_t leaf, subleaf;
  int reg, bit;
  uint64_t state;
};

constexpr Feature kFeatures[] = {
#define CONVGRAD_FEATURE(constant, name, leaf, subleaf, reg, bit, state) \
  {FEATURE_INDEX_##constant, leaf, subleaf, reg, bit, state},
#include "features_x86.inc"
#undef CONVGRAD_FEATURE
};

// The register states that the operating system saves. Valid only where CPUID reports OSXSAVE.
uint64_t read_xcr0() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

void read_features_and_cpu() {
  uint32_t r[4];
  if (!__get_cpuid(0, &r[0], &r[1], &r[2], &r[3])) return;
  const uint32_t vendor[3] = {r[1], r[3], r[2]};
  memcpy(machine.cpu.vendor, vendor, 12);
  if (!__get_cpuid(1, &r[0], &r[1], &r[2], &r[3])) return;
  const uint32_t base_family = (r[0] >> 8) & 0xf;
  machine.cpu.family = static_cast<int>(base_family + (base_family == 0xf ? (r[0] >> 20) & 0xff : 0));
  machine.cpu.model =
      static_cast<int>(((r[0] >> 4) & 0xf) | (base_family == 6 || base_family == 0xf ? (r[0] >> 12) & 0xf0 : 0));
  const bool osxsave = (r[2] >> 27) & 1;
  const uint64_t state = osxsave ? read_xcr0() : 0;
  const Feature *last = nullptr;
  bool known = false;
  for (const Feature &feature : kFeatures) {
    if (last == nullptr || feature.leaf != last->leaf || feature.subleaf != last->subleaf) {
      // A CPU without the subleaf answers zeros; without the leaf this returns 0.
      known = __get_cpuid_count(feature.leaf, feature.subleaf, &r[0], &r[1], &r[2], &r[3]) != 0;
    }
    last = &feature;
    if (known && ((r[feature.reg] >> feature.bit) & 1) && (state & feature.state) == feature.state) {
      machine.features |= uint64_t{1} << feature.index;
    }
  }
}

#elif defined(__aarch64__)

void read_features_and_cpu() {
  machine.features = arm_features();
  if (const uint64_t midr = midr_of_first_cpu()) machine.cpu = cpu_of_midr(midr);
}

#endif

void detect_machine() {
  read_features_and_cpu();
  machine.hardware = find_hardware(machine.cpu);
}

}  // namespace

const Machine &this_machine() {
  pthread_once(&machine_once, detect_machine);
  return machine;
}

const char *find_hardware(const CpuId &cpu) {
  for (const Hardware *entry = kHardware; entry->name != nullptr; ++entry) {
    if (strcmp(entry->cpu.vendor, cpu.vendor) == 0 && entry->cpu.family == cpu.family &&
        entry->cpu.model == cpu.model) {
      return entry->name;
    }
  }
  return nullptr;
}

CpuId cpu_of_midr(uint64_t midr) {
  // Architecture, 8, is what Linux prints whatever the register's field says, which is 15 on all that are 64-bit.
  CpuId cpu = {"", 8, static_cast<int>((midr >> 4) & 0xfff)};
  snprintf(cpu.vendor, sizeof cpu.vendor, "0x%02x", static_cast<unsigned>(midr >> 24) & 0xff);
  return cpu;
}

Text features_text(uint64_t mask) {
  Text text;
  for (int i = 0; i < FEATURE_COUNT; ++i) {
    if (mask & (uint64_t{1} << i)) text.append("%s%s", text.empty() ? "" : " ", kFeatureNames[i]);
  }
  return text;
}

}  // namespace convgrad
