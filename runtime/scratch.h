// A stack of blocks in memory given from outside, for the scratch of one task.
#ifndef CONVGRAD_RUNTIME_SCRATCH_H
#define CONVGRAD_RUNTIME_SCRATCH_H

#include <cstddef>
#include <cstdint>

#include "scratch_layout.h"

namespace convgrad {

// Blocks are aligned to 64 bytes with 64 readable bytes before and behind them. They may be freed in any order; their
// room comes back once no later block is in use.
class ScratchStack {
 public:
  static constexpr size_t kAlignment = scratch_layout::kLine;

  // The memory's start is aligned.
  ScratchStack(void *memory, size_t bytes) : memory_(static_cast<char *>(memory)), bytes_(bytes) {}

  void *allocate(size_t bytes);  // NULL: does not fit
  void free(void *block);        // NULL does nothing
  size_t used() const { return used_; }

 private:
  struct Header {
    size_t previous;  // offset of the header of the block below; kNoBlock: none
    bool freed;
  };
  static constexpr size_t kNoBlock = SIZE_MAX;

  Header *header_at(size_t offset) { return reinterpret_cast<Header *>(memory_ + offset); }

  char *memory_;
  size_t bytes_;
  size_t used_ = 0;
  size_t top_ = kNoBlock;  // offset of the highest block's header
};

}  // namespace convgrad

#endif
