// What benchmarks and the tuner tell of the threads that could share a call's work.
#include "task_counter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace {

// Time passes here where there is work, and nowhere else.
struct WorkClock {
  using duration = std::chrono::milliseconds;
  using time_point = std::chrono::time_point<WorkClock, duration>;
  static time_point now() { return time_point(passed); }
  static inline duration passed{0};
};

void work(void *milliseconds, int64_t) {
  WorkClock::passed += std::chrono::milliseconds(*static_cast<int *>(milliseconds));
}

// A call: loops of so many tasks of so many milliseconds each; of one task: not parallel.
int64_t tasks_of(const std::vector<std::pair<int64_t, int>> &loops) {
  convgrad_context_options options = convgrad_context_options_default();
  TaskCounterBy<WorkClock> counter;
  counter.use_in(&options);
  EXPECT_EQ(options.num_threads, 64);
  counter.reset();
  for (auto [count, milliseconds] : loops) {
    if (count == 1) {
      work(&milliseconds, 0);
    } else {
      options.parallel_for(options.pool, work, &milliseconds, count);
    }
  }
  return counter.tasks();
}

TEST(TaskCounter, CountsTheLoopThatTakesLongest) {
  EXPECT_EQ(tasks_of({{16, 0}, {3, 30}}), 3);  // a filter packed, then few tasks
  EXPECT_EQ(tasks_of({{3, 0}, {64, 1}}), 64);
}

TEST(TaskCounter, AddsUpLoopsOfTheSameNumber) {
  EXPECT_EQ(tasks_of({{4, 3}, {2, 8}, {4, 3}, {4, 3}, {1, 10}}), 4);  // 36 ms of 62
}

TEST(TaskCounter, KnowsWhatIsNotParallel) {
  EXPECT_EQ(tasks_of({{8, 1}, {1, 80}}), 1);
  EXPECT_EQ(tasks_of({{1, 5}}), 1);
}

TEST(AsEven, NoThreadHasMoreOfTheWhole) {
  EXPECT_FALSE(as_even(1, 2));
  EXPECT_FALSE(as_even(3, 2));  // two of three
  EXPECT_FALSE(as_even(5, 4));
  EXPECT_FALSE(as_even(9, 8));
  EXPECT_FALSE(as_even(7, 6));
  EXPECT_TRUE(as_even(2, 1));
  EXPECT_TRUE(as_even(3, 3));
  EXPECT_TRUE(as_even(4, 2));
  EXPECT_TRUE(as_even(6, 5));
  EXPECT_FALSE(as_even(25, 24));  // eight threads: four rounds, and not three
  EXPECT_TRUE(as_even(26, 25));
  EXPECT_TRUE(as_even(64, 64));
}

}  // namespace
