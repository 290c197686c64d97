// How many threads could share a call's work.
#pragma once

#include <convgrad/convgrad.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

// Whether 2, 4 or 8 threads share so many tasks about as evenly as `others`: what the busiest has of the whole is at
// most a tenth more. (3 tasks are more than 2, but two threads take 4/3 of the time for them.)
inline bool as_even(int64_t tasks, int64_t others) {
  for (const int64_t threads : {2, 4, 8}) {
    const int64_t busiest = (tasks + threads - 1) / threads, busiest_of_others = (others + threads - 1) / threads;
    if (10 * busiest * others > 11 * busiest_of_others * tasks) return false;
  }
  return true;
}

// Runs the tasks of a context's calls one after the other and tells how many a call hands out at once, up to 64: of
// loops of different numbers (another packs the filter, for example) those that take most of its time. To be kept as
// long as the context.
template <typename Clock>
class TaskCounterBy {
 public:
  static constexpr int32_t kMost = 64;

  void use_in(convgrad_context_options *options) {
    options->num_threads = kMost;
    options->parallel_for = run_tasks;
    options->pool = this;
  }

  // Just before the call that is asked for.
  void reset() { *this = {}; }
  // Just after it. 1 where what is not parallel takes most of its time.
  int64_t tasks() const {
    std::array<Duration, kMost + 1> spent = spent_;
    spent[1] += Clock::now() - start_;
    for (const Duration &loops : spent_) spent[1] -= loops;
    return std::max_element(spent.begin(), spent.end()) - spent.begin();
  }

 private:
  using Duration = typename Clock::duration;

  static void run_tasks(void *pool, void (*task)(void *, int64_t), void *arg, int64_t count) {
    const auto start = Clock::now();
    for (int64_t i = 0; i < count; ++i) task(arg, i);
    static_cast<TaskCounterBy *>(pool)->spent_[static_cast<size_t>(count)] += Clock::now() - start;
  }

  typename Clock::time_point start_ = Clock::now();
  std::array<Duration, kMost + 1> spent_{};  // in loops of so many tasks
};

using TaskCounter = TaskCounterBy<std::chrono::steady_clock>;
