#include "scratch.h"

namespace convgrad {

void *ScratchStack::allocate(size_t bytes) {
  // The header fills the 64 bytes before the block; the block's size is rounded, and 64 bytes follow.
  const size_t room = bytes_ - used_;
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded < bytes || rounded > room || room - rounded < 2 * kAlignment) return nullptr;
  Header *header = header_at(used_);
  header->previous = top_;
  header->freed = false;
  top_ = used_;
  used_ += 2 * kAlignment + rounded;
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
