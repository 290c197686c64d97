// How many threads could share a call's work.
#pragma once

#include <convgrad/convgrad.h>

#include <chrono>
#include <cstdint>

// Runs the tasks of a context's calls one after the other and tells how many a call hands out at once, up to 64: those of
// the loop that takes most of its time (others, such as packing the filter, may have more or fewer). To be kept as long
// as the context.
class TaskCounter {
 public:
  static constexpr int32_t kMost = 64;

  void use_in(convgrad_context_options *options) {
    options->num_threads = kMost;
    options->parallel_for = run_tasks;
    options->pool = this;
  }

  // Just before the call that is asked for.
  void reset() { *this = {}; }
  // Just after it; 1 where most of its time goes into what is not parallel.
  int64_t tasks() const { return Clock::now() - start_ - in_loops_ > longest_ ? 1 : tasks_; }

 private:
  using Clock = std::chrono::steady_clock;

  static void run_tasks(void *pool, void (*task)(void *, int64_t), void *arg, int64_t count) {
    const auto start = Clock::now();
    for (int64_t i = 0; i < count; ++i) task(arg, i);
    const auto spent = Clock::now() - start;
    TaskCounter *counter = static_cast<TaskCounter *>(pool);
    counter->in_loops_ += spent;
    if (spent < counter->longest_) return;
    counter->longest_ = spent;
    counter->tasks_ = count;
  }

  Clock::time_point start_ = Clock::now();
  Clock::duration in_loops_{0}, longest_{0};
  int64_t tasks_ = 1;
};
