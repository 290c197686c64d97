// How the tasks that share a loop deal its indices out among them.
#ifndef CONVGRAD_RUNTIME_DIVIDE_TAKE_RUN_H
#define CONVGRAD_RUNTIME_DIVIDE_TAKE_RUN_H

#include <algorithm>
#include <atomic>

namespace convgrad {

// Takes the next of a loop's indices, [*first, *last) of [0, size); `next` counts from 0. False: none are left. Runs of
// them, and not one by one: a task fetches what the next index reads to its own L2, its memory's pages are its
// neighbours', and where an index is little work tasks would wait for each other's counter. Two runs a task of what is
// left, so that they get shorter and all tasks end together, whenever they began. (docs/measurements/threads.md)
template <typename Index>
bool take_run(std::atomic<Index> *next, Index size, Index tasks, Index *first, Index *last) {
  *first = next->load(std::memory_order_relaxed);
  do {
    if (*first >= size) return false;
    *last = *first + std::max<Index>((size - *first) / (2 * tasks), 1);
  } while (!next->compare_exchange_weak(*first, *last, std::memory_order_relaxed));
  return true;
}

}  // namespace convgrad

#endif
