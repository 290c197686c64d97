#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace convgrad {

void *allocate(const Memory &memory, size_t bytes, size_t alignment, Text *reason) {
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  void *block = nullptr;
  if (memory.allocate != nullptr) {
    block = memory.allocate(memory.memory, bytes, alignment);
  } else if (posix_memalign(&block, alignment, bytes) != 0) {
    block = nullptr;
  }
  if (block == nullptr) {
    reason->append("no memory for %zu bytes", bytes);
    return nullptr;
  }
  if (reinterpret_cast<uintptr_t>(block) % alignment != 0) {
    reason->append("the context's allocate returned %p for %zu bytes, expected an address that is a multiple of %zu",
                   block, bytes, alignment);
    memory.release(memory.memory, block);
    return nullptr;
  }
  return block;
}

void release(const Memory &memory, void *pointer) {
  if (pointer == nullptr) return;
  if (memory.release == nullptr) {
    free(pointer);
  } else {
    memory.release(memory.memory, pointer);
  }
}

void look_up_memset(void *memory, size_t bytes) { memset(memory, 0, bytes); }

}  // namespace convgrad
