// The part of a thread's floating-point control that results depend on: how they are rounded, and whether subnormal
// numbers stand for zero.
#ifndef CONVGRAD_RUNTIME_FLOAT_MODE_H
#define CONVGRAD_RUNTIME_FLOAT_MODE_H

#include <pthread.h>

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace convgrad {

// What a thread's registers hold.
#if defined(__x86_64__)

class FloatControl {
 public:
  static FloatControl of_this_thread() { return FloatControl(_mm_getcsr()); }
  void set() const { _mm_setcsr(mxcsr_); }
  bool same_mode(const FloatControl &other) const { return ((mxcsr_ ^ other.mxcsr_) & kMode) == 0; }
  // The same, but in the other's mode, with all exceptions masked.
  FloatControl in_mode_of(const FloatControl &other) const {
    return FloatControl((mxcsr_ & ~kMode) | (other.mxcsr_ & kMode) | kExceptionMasks);
  }

 private:
  static constexpr uint32_t kMode = 0xe040;  // flush to zero, rounding, denormals are zeros
  static constexpr uint32_t kExceptionMasks = 0x1f80;

  explicit FloatControl(uint32_t mxcsr) : mxcsr_(mxcsr) {}
  uint32_t mxcsr_;  // control and sticky flags
};

#elif defined(__aarch64__)

class FloatControl {
 public:
  static FloatControl of_this_thread() {
    uint64_t fpcr, fpsr;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(fpcr), "=r"(fpsr));
    return FloatControl(fpcr, fpsr);
  }
  void set() const { __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(fpcr_), "r"(fpsr_)); }
  bool same_mode(const FloatControl &other) const { return ((fpcr_ ^ other.fpcr_) & ~kTraps) == 0; }
  FloatControl in_mode_of(const FloatControl &other) const { return FloatControl(other.fpcr_ & ~kTraps, fpsr_); }

 private:
  static constexpr uint64_t kTraps = 0x9f00;  // the rest is mode: also which NaN is the result of one

  FloatControl(uint64_t fpcr, uint64_t fpsr) : fpcr_(fpcr), fpsr_(fpsr) {}
  uint64_t fpcr_, fpsr_;  // control, sticky flags
};

#endif

// The calling thread traps no floating-point exception for as long as it lives; then its control and its flags are what
// they were. Kernels compute in lanes that no one reads, on what scratch held before, which raises exceptions that say
// nothing of the operands; and what other threads' tasks raise is not seen either. So a call raises none at all.
class ExceptionsHeld {
 public:
  ExceptionsHeld() { before_.in_mode_of(before_).set(); }
  ~ExceptionsHeld() { before_.set(); }
  ExceptionsHeld(const ExceptionsHeld &) = delete;
  ExceptionsHeld &operator=(const ExceptionsHeld &) = delete;

 private:
  const FloatControl before_ = FloatControl::of_this_thread();
};

// The mode of the thread that makes it, for others to work in.
class FloatMode {
 public:
  // The calling thread is in the mode, and traps nothing, for as long as it lives; then its control and its flags are
  // what they were. The mode's own thread is left as it is, unless somebody has changed its mode meanwhile.
  class Scope {
   public:
    explicit Scope(const FloatMode &mode)
        : before_(FloatControl::of_this_thread()),
          changes_(!before_.same_mode(mode.control_) || pthread_equal(pthread_self(), mode.thread_) == 0) {
      if (changes_) before_.in_mode_of(mode.control_).set();
    }
    ~Scope() {
      if (changes_) before_.set();
    }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

   private:
    const FloatControl before_;
    const bool changes_;
  };

 private:
  const FloatControl control_ = FloatControl::of_this_thread();
  const pthread_t thread_ = pthread_self();
};

}  // namespace convgrad

#endif
