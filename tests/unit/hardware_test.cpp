#include "hardware.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <set>
#include <string>

namespace convgrad {
namespace {

TEST(Hardware, FeatureNamesAreApartAndInOneMask) {
  std::set<std::string> names;
  uint64_t all = 0;
  for (int i = 0; i < FEATURE_COUNT; ++i) {
    const uint64_t bit = uint64_t{1} << i;
    EXPECT_TRUE(names.insert(features_text(bit).c_str()).second) << features_text(bit).c_str();
    all |= bit;
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(FEATURE_COUNT));
  EXPECT_EQ(names.count(""), 0u);
  EXPECT_LT(strlen(features_text(all).c_str()), 500u) << "the text was cut off";
}

TEST(Hardware, FeatureNames) {
  EXPECT_STREQ(features_text(0).c_str(), "");
  EXPECT_STREQ(features_text(FEATURE_SSE41).c_str(), "sse41");
  EXPECT_STREQ(features_text(FEATURE_NEON).c_str(), "neon");
  const std::string text = features_text(FEATURE_AVX2 | FEATURE_FMA | FEATURE_F16C).c_str();
  for (const char *name : {"avx2", "fma", "f16c"}) EXPECT_NE(text.find(name), std::string::npos) << name;
  EXPECT_EQ(text.find("avx512"), std::string::npos);
}

TEST(Hardware, ThisMachineIsFoundOnce) {
  const Machine &machine = this_machine();
  EXPECT_EQ(&machine, &this_machine());
  EXPECT_LT(strlen(machine.cpu.vendor), sizeof machine.cpu.vendor);
}

#if defined(__x86_64__)
TEST(Hardware, AgreesWithTheCompiler) {
  __builtin_cpu_init();
  const uint64_t features = this_machine().features;
  EXPECT_EQ((features & FEATURE_SSE41) != 0, __builtin_cpu_supports("sse4.1") != 0);
  EXPECT_EQ((features & FEATURE_SSE42) != 0, __builtin_cpu_supports("sse4.2") != 0);
  EXPECT_EQ((features & FEATURE_POPCNT) != 0, __builtin_cpu_supports("popcnt") != 0);
  EXPECT_EQ((features & FEATURE_AVX) != 0, __builtin_cpu_supports("avx") != 0);
  EXPECT_EQ((features & FEATURE_FMA) != 0, __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ((features & FEATURE_AVX2) != 0, __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ((features & FEATURE_BMI1) != 0, __builtin_cpu_supports("bmi") != 0);
  EXPECT_EQ((features & FEATURE_BMI2) != 0, __builtin_cpu_supports("bmi2") != 0);
  EXPECT_EQ((features & FEATURE_AVX512F) != 0, __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ((features & FEATURE_AVX512CD) != 0, __builtin_cpu_supports("avx512cd") != 0);
  EXPECT_EQ((features & FEATURE_AVX512DQ) != 0, __builtin_cpu_supports("avx512dq") != 0);
  EXPECT_EQ((features & FEATURE_AVX512BW) != 0, __builtin_cpu_supports("avx512bw") != 0);
  EXPECT_EQ((features & FEATURE_AVX512VL) != 0, __builtin_cpu_supports("avx512vl") != 0);
  EXPECT_EQ((features & FEATURE_AVX512VNNI) != 0, __builtin_cpu_supports("avx512vnni") != 0);
  EXPECT_NE(features, 0u);
  EXPECT_EQ(strlen(this_machine().cpu.vendor), 12u);
  EXPECT_GT(this_machine().cpu.family, 0);
}
#elif defined(__aarch64__)
// What Linux writes for people to read, from other files than the library looks at.
std::string cpuinfo(const std::string &key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) == 0) return line.substr(line.find(':') + 1) + " ";
  }
  return "";
}

TEST(Hardware, AgreesWithLinux) {
  const Machine &machine = this_machine();
  EXPECT_NE(machine.features & FEATURE_NEON, 0u) << "part of the architecture";
  EXPECT_EQ(machine.features & (FEATURE_SSE41 | FEATURE_AVX2 | FEATURE_AVX512F), 0u);
  // An emulator shows the /proc/cpuinfo of the machine that it runs on, and MIDR_EL1 nowhere.
  const std::string features = cpuinfo("Features");
  if (!features.empty()) {
    EXPECT_NE(features.find(" asimd "), std::string::npos);
  }
  if (machine.cpu.vendor[0] != 0) {
    EXPECT_EQ(cpuinfo("CPU implementer"), " " + std::string(machine.cpu.vendor) + " ");
    EXPECT_EQ(std::stoi(cpuinfo("CPU part"), nullptr, 16), machine.cpu.model);
  }
}
#endif

TEST(Hardware, NamesOfArmCpus) {
  const CpuId neoverse_n1 = cpu_of_midr(0x413fd0c1);
  EXPECT_STREQ(neoverse_n1.vendor, "0x41");
  EXPECT_EQ(neoverse_n1.family, 8);
  EXPECT_EQ(neoverse_n1.model, 0xd0c);
  const CpuId ampere_one = cpu_of_midr(0xc00fac30);
  EXPECT_STREQ(ampere_one.vendor, "0xc0");
  EXPECT_EQ(ampere_one.model, 0xac3);
}

TEST(Hardware, UnknownHardwareHasNoName) {
  EXPECT_EQ(find_hardware({"NobodysBrand", 1, 2}), nullptr);
  EXPECT_EQ(find_hardware({}), nullptr);
}

}  // namespace
}  // namespace convgrad
