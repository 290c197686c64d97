#include <algorithm>

#include "gpu/device.h"
#include "memory.h"

namespace convgrad {
namespace {

constexpr Memory kMemory = {nullptr, nullptr, nullptr};

// Sizes in steps of an eighth, so that calls of similar sizes share blocks.
size_t rounded(size_t bytes) {
  size_t step = 256;
  while (step <= SIZE_MAX / 32 && step * 16 <= bytes) step *= 2;
  return bytes > SIZE_MAX - step ? bytes : (bytes + step - 1) / step * step;
}

// The kept block that fits best, but none of more than twice the size.
GpuBlock *take_kept(Gpu *gpu, size_t bytes) {
  GpuBlock *best = nullptr;
  for (GpuBlock *block = gpu->blocks; block != nullptr; block = block->next) {
    if (block->in_use || block->bytes < bytes || block->bytes / 2 > bytes) continue;
    if (best == nullptr || block->bytes < best->bytes) best = block;
  }
  return best;
}

void count_in_use(Gpu *gpu, size_t bytes) {
  gpu->bytes_in_use += bytes;
  gpu->most_in_use = std::max(gpu->most_in_use, gpu->bytes_in_use);
}

// Takes the block that has been free for longest out of the list; NULL: all are in use.
GpuBlock *take_oldest(Gpu *gpu) {
  GpuBlock **oldest = nullptr;
  for (GpuBlock **link = &gpu->blocks; *link != nullptr; link = &(*link)->next) {
    if (!(*link)->in_use && (oldest == nullptr || (*link)->freed_at < (*oldest)->freed_at)) oldest = link;
  }
  if (oldest == nullptr) return nullptr;
  GpuBlock *block = *oldest;
  *oldest = block->next;
  gpu->bytes_kept -= block->bytes;
  return block;
}

void give_back(Gpu *gpu, GpuBlock *block) {
  gpu->device->driver->release(gpu, block->memory);
  release(kMemory, block);
}

}  // namespace

convgrad_status allocate_block(Gpu *gpu, size_t bytes, uint64_t *memory, Text *reason) {
  const size_t size = rounded(bytes);
  pthread_mutex_lock(&gpu->mutex);
  GpuBlock *block = take_kept(gpu, size);
  if (block != nullptr) {
    block->in_use = true;
    gpu->bytes_kept -= block->bytes;
    count_in_use(gpu, block->bytes);
  }
  pthread_mutex_unlock(&gpu->mutex);
  if (block == nullptr) {
    void *made = allocate(kMemory, sizeof(GpuBlock), alignof(GpuBlock), reason);
    if (made == nullptr) return CONVGRAD_OUT_OF_MEMORY;
    block = static_cast<GpuBlock *>(made);
    *block = {nullptr, 0, size, true, 0};
    if (convgrad_status status = gpu->device->driver->allocate(gpu, size, &block->memory, reason)) {
      reason->append(" for %zu bytes", size);
      release(kMemory, block);
      return status;
    }
    pthread_mutex_lock(&gpu->mutex);
    block->next = gpu->blocks;
    gpu->blocks = block;
    count_in_use(gpu, size);
    pthread_mutex_unlock(&gpu->mutex);
  }
  *memory = block->memory;
  return CONVGRAD_OK;
}

void free_block(Gpu *gpu, uint64_t memory) {
  pthread_mutex_lock(&gpu->mutex);
  for (GpuBlock *block = gpu->blocks; block != nullptr; block = block->next) {
    if (block->memory != memory) continue;
    block->in_use = false;
    block->freed_at = ++gpu->frees;
    gpu->bytes_in_use -= block->bytes;
    gpu->bytes_kept += block->bytes;
  }
  while (gpu->bytes_kept > gpu->most_in_use) {
    GpuBlock *oldest = take_oldest(gpu);
    pthread_mutex_unlock(&gpu->mutex);
    give_back(gpu, oldest);
    pthread_mutex_lock(&gpu->mutex);
  }
  pthread_mutex_unlock(&gpu->mutex);
}

bool release_kept_blocks(Gpu *gpu) {
  bool any = false;
  while (true) {
    pthread_mutex_lock(&gpu->mutex);
    GpuBlock *block = take_oldest(gpu);
    pthread_mutex_unlock(&gpu->mutex);
    if (block == nullptr) return any;
    give_back(gpu, block);
    any = true;
  }
}

}  // namespace convgrad
