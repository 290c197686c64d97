// Replaces the allocation functions of glibc, which keeps its own under these other names.
#include "memory/malloc_counter.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);
}

namespace {
std::atomic<bool> counting{false};
std::atomic<int64_t> count{0};
std::atomic<bool> no_aligned_memory{false};

void note() {
  if (counting.load(std::memory_order_relaxed)) count.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

extern "C" {

void *malloc(size_t bytes) {
  note();
  return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes) {
  note();
  return __libc_calloc(n, bytes);
}

void *realloc(void *pointer, size_t bytes) {
  note();
  return __libc_realloc(pointer, bytes);
}

void free(void *pointer) {
  if (pointer != nullptr) note();
  __libc_free(pointer);
}

void *memalign(size_t alignment, size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **pointer, size_t alignment, size_t bytes) {
  note();
  void *memory = no_aligned_memory ? nullptr : __libc_memalign(alignment, bytes);
  if (memory == nullptr) return ENOMEM;
  *pointer = memory;
  return 0;
}

}  // extern "C"

namespace convgrad::test {

MallocCounter::MallocCounter() {
  count = 0;
  counting = true;
}

MallocCounter::~MallocCounter() { counting = false; }

int64_t MallocCounter::stop() {
  counting = false;
  return count;
}

NoAlignedMemory::NoAlignedMemory() { no_aligned_memory = true; }
NoAlignedMemory::~NoAlignedMemory() { no_aligned_memory = false; }

}  // namespace convgrad::test
