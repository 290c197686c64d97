#include "memory.h"

#include <cstdint>
#include <cstdlib>

namespace convgrad {

void *allocate(const Memory &memory, size_t bytes, size_t alignment) {
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  void *block = nullptr;
  if (memory.allocate == nullptr) return posix_memalign(&block, alignment, bytes) == 0 ? block : nullptr;
  block = memory.allocate(memory.memory, bytes, alignment);
  if (reinterpret_cast<uintptr_t>(block) % alignment != 0) {
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

}  // namespace convgrad
