// An application's allocator that counts, and fails when it is told to.
#ifndef CONVGRAD_TESTS_UNIT_COUNTING_ALLOCATOR_H
#define CONVGRAD_TESTS_UNIT_COUNTING_ALLOCATOR_H

#include <cstddef>
#include <cstdlib>

#include "convgrad/convgrad.h"

namespace convgrad {

struct CountingAllocator {
  int live = 0;      // blocks that are not released
  int count = 0;     // calls of allocate
  int fail_at = -1;  // the call that fails; -1: none

  void install(convgrad_context_options *options) {
    options->memory = this;
    options->allocate = [](void *memory, size_t bytes, size_t alignment) -> void * {
      CountingAllocator *self = static_cast<CountingAllocator *>(memory);
      if (self->count++ == self->fail_at) return nullptr;
      ++self->live;
      void *block = nullptr;
      return posix_memalign(&block, alignment, bytes) == 0 ? block : nullptr;
    };
    options->release = [](void *memory, void *block) {
      --static_cast<CountingAllocator *>(memory)->live;
      free(block);
    };
  }
};

}  // namespace convgrad

#endif
