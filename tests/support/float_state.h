// The calling thread's floating-point control and sticky flags, for tests that change them.
#ifndef CONVGRAD_TESTS_SUPPORT_FLOAT_STATE_H
#define CONVGRAD_TESTS_SUPPORT_FLOAT_STATE_H

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace convgrad::test {

#if defined(__x86_64__)

// MXCSR.
constexpr uint64_t kFlushSubnormals = 0x8040;  // operands and results
constexpr uint64_t kRoundUp = 0x4000;
constexpr uint64_t kModeBits = 0xe040;
constexpr uint64_t kExceptionBits = 0x1f80;  // set: masked
constexpr uint64_t kMaskedExceptions = 0x1f80;
constexpr uint64_t kInvalidOperation = 0x80;  // one of them
constexpr uint64_t kFlagBits = 0x3f;

inline uint64_t float_control() { return _mm_getcsr() & ~kFlagBits; }
inline uint64_t float_flags() { return _mm_getcsr() & kFlagBits; }
inline void set_float_state(uint64_t control, uint64_t flags) { _mm_setcsr(static_cast<unsigned>(control | flags)); }

#elif defined(__aarch64__)

// FPCR and FPSR.
constexpr uint64_t kFlushSubnormals = uint64_t{1} << 24;
constexpr uint64_t kRoundUp = uint64_t{1} << 22;
constexpr uint64_t kModeBits = uint64_t{7} << 22;
constexpr uint64_t kExceptionBits = 0x9f00;  // set: trapped, which many CPUs cannot do
constexpr uint64_t kMaskedExceptions = 0;
constexpr uint64_t kInvalidOperation = 0x100;
constexpr uint64_t kFlagBits = 0x9f;

inline uint64_t float_control() {
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  return control;
}
inline uint64_t float_flags() {
  uint64_t flags;
  __asm__ volatile("mrs %0, fpsr" : "=r"(flags));
  return flags & kFlagBits;
}
inline void set_float_state(uint64_t control, uint64_t flags) {
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(control), "r"(flags));
}

#endif

// Another mode, of the bits above, for as long as it lives; then what was there before.
class ScopedFloatMode {
 public:
  explicit ScopedFloatMode(uint64_t mode) { set_float_state((control_ & ~kModeBits) | mode, flags_); }
  ~ScopedFloatMode() { set_float_state(control_, flags_); }
  ScopedFloatMode(const ScopedFloatMode &) = delete;
  ScopedFloatMode &operator=(const ScopedFloatMode &) = delete;

 private:
  const uint64_t control_ = float_control(), flags_ = float_flags();
};

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_FLOAT_STATE_H
