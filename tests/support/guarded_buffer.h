// Memory between two pages that may not be touched.
#ifndef CONVGRAD_TESTS_SUPPORT_GUARDED_BUFFER_H
#define CONVGRAD_TESTS_SUPPORT_GUARDED_BUFFER_H

#include <cstddef>

namespace convgrad::test {

enum class Placement {
  kBeforeGuard,  // the last byte touches the back guard
  kAfterGuard,   // the first byte touches the front guard
  kOdd,          // one element after the front guard: aligned to an element and no more
};

class GuardedBuffer {
 public:
  GuardedBuffer() = default;
  ~GuardedBuffer();
  GuardedBuffer(const GuardedBuffer &) = delete;
  GuardedBuffer &operator=(const GuardedBuffer &) = delete;

  // Room for `bytes`, good until the next call. What lies around it, up to a page on each side, is filled with a
  // pattern (a NaN, as elements of any type). `element` is of what kOdd leaves room for.
  void *place(size_t bytes, Placement placement, size_t element = sizeof(float));

  // False where a byte around the room has changed.
  bool surroundings_intact() const;

 private:
  void release();

  char *mapping_ = nullptr;
  size_t capacity_ = 0;  // bytes between the guards
  char *begin_ = nullptr;
  char *room_ = nullptr;
  size_t bytes_ = 0;
};

// The pattern: a quiet NaN that no computation makes, as a float64, float32, float16 or bfloat16.
constexpr unsigned kPattern = 0x7ffd7ffdu;
void fill_pattern(void *memory, size_t bytes);
bool holds_pattern(const void *memory, size_t bytes);

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_GUARDED_BUFFER_H
