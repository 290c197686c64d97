// Tensors for benchmarks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <random>
#include <vector>

// Memory from the beginning of a cache line, as frameworks give their tensors. Large blocks of malloc begin 16 bytes
// after one, and then each vector of 64 bytes lies in two lines.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <typename Other>
  explicit CacheLineAllocator(const CacheLineAllocator<Other> &) {}

  T *allocate(size_t count) { return static_cast<T *>(::operator new(count * sizeof(T), kAlignment)); }
  void deallocate(T *memory, size_t) { ::operator delete(memory, kAlignment); }
};

template <typename One, typename Other>
bool operator==(const CacheLineAllocator<One> &, const CacheLineAllocator<Other> &) {
  return true;
}
template <typename One, typename Other>
bool operator!=(const CacheLineAllocator<One> &, const CacheLineAllocator<Other> &) {
  return false;
}

template <typename T>
using Aligned = std::vector<T, CacheLineAllocator<T>>;

// From -1 to 1.
template <typename T>
Aligned<T> random_values(int64_t count, std::mt19937 &random) {
  std::uniform_real_distribution<T> numbers(-1, 1);
  Aligned<T> values(static_cast<size_t>(count));
  for (T &value : values) value = numbers(random);
  return values;
}
