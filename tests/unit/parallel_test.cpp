// In which floating-point mode tasks run, and how they leave the threads that ran them.
#include "parallel.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <mutex>
#include <thread>
#include <vector>

#include "support/float_state.h"
#include "thread_pool.h"

namespace convgrad {
namespace {

using test::float_control;
using test::float_flags;
using test::kExceptionBits;
using test::kFlushSubnormals;
using test::kMaskedExceptions;
using test::kModeBits;
using test::kRoundUp;
using test::ScopedFloatMode;

constexpr int kThreads = 4;
constexpr uint64_t kModes[] = {0, kFlushSubnormals, kRoundUp, kFlushSubnormals | kRoundUp};

// What tasks saw.
struct Seen {
  std::mutex mutex;
  std::vector<uint64_t> controls;
};

// Leaves flags that were not there, as sums that round do.
void see(void *arg, int64_t) {
  Seen *seen = static_cast<Seen *>(arg);
  const std::lock_guard<std::mutex> lock(seen->mutex);
  seen->controls.push_back(float_control());
  std::feraiseexcept(FE_INEXACT | FE_UNDERFLOW);
}

// Returns when all tasks are there, so that no thread gets two.
void see_at_once(void *arg, int64_t index) {
  see(arg, index);
  for (bool all = false; !all; std::this_thread::yield()) {
    Seen *seen = static_cast<Seen *>(arg);
    const std::lock_guard<std::mutex> lock(seen->mutex);
    all = seen->controls.size() == kThreads;
  }
}

TEST(Parallel, TasksOnTheLibrarysThreadsRunInTheCallersMode) {
  Text reason;
  ThreadPool *pool = create_thread_pool({nullptr, nullptr, nullptr}, kThreads - 1, &reason);
  ASSERT_NE(pool, nullptr);
  ASSERT_EQ(thread_pool_workers(pool), kThreads - 1);
  for (const uint64_t mode : kModes) {
    Seen seen;
    {
      const ScopedFloatMode scoped(mode);
      run_tasks({kThreads, thread_pool_parallel_for, pool}, see_at_once, &seen, kThreads);
    }
    for (const uint64_t control : seen.controls) EXPECT_EQ(control & kModeBits, mode);
  }
  release_thread_pool(pool);
}

// An application's threads: each has a mode of its own, and flags that were raised before.
struct ThreadsWithTheirOwnMode {
  uint64_t mode;
  int changed = 0;  // tasks that left their thread another than they found it

  static void parallel_for(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
    auto *self = static_cast<ThreadsWithTheirOwnMode *>(pool);
    for (int64_t i = 0; i < count; ++i) {
      std::thread([&] {
        const ScopedFloatMode scoped(self->mode);
        std::feclearexcept(FE_ALL_EXCEPT);
        std::feraiseexcept(FE_DIVBYZERO);
        const uint64_t control = float_control(), flags = float_flags();
        task(arg, i);
        if (float_control() != control || float_flags() != flags) ++self->changed;
      }).join();
    }
  }
};

TEST(Parallel, TasksOnTheApplicationsThreadsRunInTheCallersMode) {
  for (const uint64_t theirs : kModes) {
    for (const uint64_t mode : kModes) {
      ThreadsWithTheirOwnMode threads = {theirs};
      Seen seen;
      {
        const ScopedFloatMode scoped(mode);
        run_tasks({kThreads, ThreadsWithTheirOwnMode::parallel_for, &threads}, see, &seen, kThreads);
      }
      EXPECT_EQ(seen.controls.size(), static_cast<size_t>(kThreads));
      for (const uint64_t control : seen.controls) EXPECT_EQ(control & kModeBits, mode);
      EXPECT_EQ(threads.changed, 0);
    }
  }
}

// A trap belongs to the thread that asked for it: others would end the program where the caller alone would not.
TEST(Parallel, ExceptionsStayMaskedOnOtherThreads) {
  const uint64_t control = float_control(), flags = float_flags();
  std::feclearexcept(FE_ALL_EXCEPT);
  test::set_float_state(control ^ test::kInvalidOperation, 0);
  ThreadsWithTheirOwnMode threads = {0};
  Seen seen;
  run_tasks({kThreads, ThreadsWithTheirOwnMode::parallel_for, &threads}, see, &seen, kThreads);
  test::set_float_state(control, flags);
  for (const uint64_t seen_control : seen.controls) EXPECT_EQ(seen_control & kExceptionBits, kMaskedExceptions);
}

// On the caller's thread a loop is as if there were no other: its traps trap, and its flags tell of its sums.
TEST(Parallel, TheCallersThreadIsLeftAlone) {
  const auto in_order = [](void *, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
    for (int64_t i = 0; i < count; ++i) task(arg, i);
  };
  const ScopedFloatMode scoped(kRoundUp);
  std::feclearexcept(FE_ALL_EXCEPT);
  const uint64_t control = float_control();
  Seen seen;
  run_tasks({kThreads, in_order, nullptr}, see, &seen, kThreads);
  for (const uint64_t seen_control : seen.controls) EXPECT_EQ(seen_control, control);
  EXPECT_EQ(float_control(), control);
  EXPECT_TRUE(std::fetestexcept(FE_UNDERFLOW));
  EXPECT_TRUE(std::fetestexcept(FE_INEXACT));
}

// As some pools do, which keep the mode that their threads began with.
TEST(Parallel, APoolMayChangeTheCallersModeForItsTasks) {
  const auto in_another_mode = [](void *, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
    const ScopedFloatMode scoped(kRoundUp);
    for (int64_t i = 0; i < count; ++i) task(arg, i);
  };
  Seen seen;
  {
    const ScopedFloatMode scoped(kFlushSubnormals);
    run_tasks({kThreads, in_another_mode, nullptr}, see, &seen, kThreads);
  }
  for (const uint64_t control : seen.controls) EXPECT_EQ(control & kModeBits, kFlushSubnormals);
}

}  // namespace
}  // namespace convgrad
