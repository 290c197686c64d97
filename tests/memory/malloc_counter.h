// Counts the C library's allocations of the whole process, on all threads, while it is on.
#ifndef CONVGRAD_TESTS_MEMORY_MALLOC_COUNTER_H
#define CONVGRAD_TESTS_MEMORY_MALLOC_COUNTER_H

#include <cstdint>

namespace convgrad::test {

class MallocCounter {
 public:
  MallocCounter();  // starts to count from 0
  ~MallocCounter();
  int64_t stop();  // how many allocations and releases since
};

// There is no memory for aligned blocks, which are all that the library asks the C library for, while it exists.
class NoAlignedMemory {
 public:
  NoAlignedMemory();
  ~NoAlignedMemory();
};

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_MEMORY_MALLOC_COUNTER_H
