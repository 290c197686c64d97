#include "support/guarded_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace convgrad::test {
namespace {

size_t page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// The pattern's byte at an address: it lies the same way in memory wherever a check begins.
unsigned char pattern_byte(uintptr_t address) { return static_cast<unsigned char>(kPattern >> (8 * (address % 4))); }

}  // namespace

void fill_pattern(void *memory, size_t bytes) {
  auto *at = static_cast<unsigned char *>(memory);
  if (reinterpret_cast<uintptr_t>(at) % 4 == 0 && bytes % 4 == 0) {
    std::fill_n(static_cast<uint32_t *>(memory), bytes / 4, kPattern);
    return;
  }
  for (size_t i = 0; i < bytes; ++i) at[i] = pattern_byte(reinterpret_cast<uintptr_t>(at + i));
}

bool holds_pattern(const void *memory, size_t bytes) {
  const auto *at = static_cast<const unsigned char *>(memory);
  if (reinterpret_cast<uintptr_t>(at) % 4 == 0 && bytes % 4 == 0) {
    const auto *words = static_cast<const uint32_t *>(memory);
    return std::all_of(words, words + bytes / 4, [](uint32_t word) { return word == kPattern; });
  }
  for (size_t i = 0; i < bytes; ++i) {
    if (at[i] != pattern_byte(reinterpret_cast<uintptr_t>(at + i))) return false;
  }
  return true;
}

GuardedBuffer::~GuardedBuffer() { release(); }

void GuardedBuffer::release() {
  if (mapping_ != nullptr) munmap(mapping_, capacity_ + 2 * page_size());
  mapping_ = nullptr;
}

void *GuardedBuffer::place(size_t bytes, Placement placement, size_t element) {
  const size_t page = page_size();
  const size_t wanted = (bytes + element + page - 1) / page * page;
  if (mapping_ == nullptr || wanted > capacity_) {
    release();
    capacity_ = std::max(wanted, 2 * capacity_);
    void *mapping = mmap(nullptr, capacity_ + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED ||
        mprotect(static_cast<char *>(mapping) + page, capacity_, PROT_READ | PROT_WRITE) != 0) {
      std::perror("guarded buffer");
      std::abort();
    }
    mapping_ = static_cast<char *>(mapping);
    begin_ = mapping_ + page;
  }
  bytes_ = bytes;
  switch (placement) {
    case Placement::kBeforeGuard:
      room_ = begin_ + capacity_ - bytes;
      break;
    case Placement::kAfterGuard:
      room_ = begin_;
      break;
    case Placement::kOdd:
      room_ = begin_ + element;
      break;
  }
  const size_t before = std::min<size_t>(static_cast<size_t>(room_ - begin_), page);
  const size_t after = std::min<size_t>(static_cast<size_t>(begin_ + capacity_ - (room_ + bytes)), page);
  fill_pattern(room_ - before, before);
  fill_pattern(room_ + bytes, after);
  return room_;
}

bool GuardedBuffer::surroundings_intact() const {
  const size_t page = page_size();
  const size_t before = std::min<size_t>(static_cast<size_t>(room_ - begin_), page);
  const size_t after = std::min<size_t>(static_cast<size_t>(begin_ + capacity_ - (room_ + bytes_)), page);
  return holds_pattern(room_ - before, before) && holds_pattern(room_ + bytes_, after);
}

}  // namespace convgrad::test
