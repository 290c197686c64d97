#include "scratch.h"

namespace convgrad {

void *ScratchStack::allocate(size_t bytes) {
  const size_t taken = scratch_layout::block(bytes);
  if (taken < bytes || taken > bytes_ - used_) return nullptr;
  Header *header = header_at(used_);
  header->previous = top_;
  header->freed = false;
  top_ = used_;
  used_ += taken;
  return reinterpret_cast<char *>(header) + kAlignment;
}

void ScratchStack::free(void *block) {
  if (block == nullptr) return;
  reinterpret_cast<Header *>(static_cast<char *>(block) - kAlignment)->freed = true;
  while (top_ != kNoBlock && header_at(top_)->freed) {
    used_ = top_;
    top_ = header_at(top_)->previous;
  }
}

}  // namespace convgrad
