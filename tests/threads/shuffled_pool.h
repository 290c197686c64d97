// A parallel_for of an application: tasks on threads of their own, started in a random order.
#ifndef CONVGRAD_TESTS_THREADS_SHUFFLED_POOL_H
#define CONVGRAD_TESTS_THREADS_SHUFFLED_POOL_H

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

namespace convgrad::test {

class ShuffledPool {
 public:
  explicit ShuffledPool(uint64_t seed) : seed_(seed) {}

  // Fits convgrad_context_options.parallel_for.
  static void parallel_for(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
    auto *self = static_cast<ShuffledPool *>(pool);
    const uint64_t call = self->calls_.fetch_add(1);
    int64_t seen = self->most_tasks_.load();
    while (seen < count && !self->most_tasks_.compare_exchange_weak(seen, count)) {
    }
    thread_local bool inside_task = false;
    if (inside_task) self->nested_ = true;
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::shuffle(order.begin(), order.end(), std::mt19937_64(self->seed_ + call));
    std::vector<std::thread> threads;
    for (const int64_t index : order) {
      threads.emplace_back([task, arg, index] {
        inside_task = true;
        task(arg, index);
      });
    }
    for (std::thread &thread : threads) thread.join();
  }

  uint64_t calls() const { return calls_; }
  int64_t most_tasks() const { return most_tasks_; }
  bool nested() const { return nested_; }  // called from inside a task

 private:
  uint64_t seed_;
  std::atomic<uint64_t> calls_{0};
  std::atomic<int64_t> most_tasks_{0};
  std::atomic<bool> nested_{false};
};

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_THREADS_SHUFFLED_POOL_H
