#include "thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "os/cpus.h"
#include "os/thread_placement.h"

namespace convgrad {
namespace {

const Memory c_library = {nullptr, nullptr, nullptr};

struct Counts {
  explicit Counts(size_t size) : calls(size) {}
  std::vector<std::atomic<int>> calls;
};

void count_call(void *arg, int64_t index) { ++static_cast<Counts *>(arg)->calls[static_cast<size_t>(index)]; }

class ThreadPoolTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    pool = create_thread_pool(c_library, GetParam(), &reason);
    ASSERT_NE(pool, nullptr);
  }
  void TearDown() override { release_thread_pool(pool); }
  ThreadPool *pool;
  Text reason;
};

TEST_P(ThreadPoolTest, HasItsWorkers) { EXPECT_EQ(thread_pool_workers(pool), GetParam()); }

TEST_P(ThreadPoolTest, CallsEachIndexOnce) {
  for (int64_t count : {0, 1, 2, 3, 16, 1000}) {
    Counts counts(static_cast<size_t>(count));
    thread_pool_parallel_for(pool, count_call, &counts, count);
    for (const auto &calls : counts.calls) EXPECT_EQ(calls.load(), 1);
  }
}

TEST_P(ThreadPoolTest, ServesManyCallersAtOnce) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([this, &wrong, i] {
      for (int round = 0; round < 200; ++round) {
        Counts counts(static_cast<size_t>(1 + (i + round) % 5));
        thread_pool_parallel_for(pool, count_call, &counts, static_cast<int64_t>(counts.calls.size()));
        for (const auto &calls : counts.calls) wrong += calls.load() != 1;
      }
    });
  }
  for (std::thread &caller : callers) caller.join();
  EXPECT_EQ(wrong.load(), 0);
}

struct Nested {
  ThreadPool *pool;
  Counts counts{12};
};

TEST_P(ThreadPoolTest, ACallFromATaskEnds) {
  Nested nested = {pool};
  thread_pool_parallel_for(
      pool,
      [](void *arg, int64_t) {
        Nested *n = static_cast<Nested *>(arg);
        thread_pool_parallel_for(n->pool, count_call, &n->counts, 12);
      },
      &nested, 4);
  for (const auto &calls : nested.counts.calls) EXPECT_EQ(calls.load(), 4);
}

TEST_P(ThreadPoolTest, LivesUntilItsLastReference) {
  retain_thread_pool(pool);
  release_thread_pool(pool);
  Counts counts(4);
  thread_pool_parallel_for(pool, count_call, &counts, 4);
  for (const auto &calls : counts.calls) EXPECT_EQ(calls.load(), 1);
}

INSTANTIATE_TEST_SUITE_P(Workers, ThreadPoolTest, ::testing::Values(0, 1, 2, 7));

TEST(ThreadPool, WorkersShareTheTasks) {
  Text reason;
  ThreadPool *pool = create_thread_pool(c_library, 1, &reason);
  ASSERT_NE(pool, nullptr);
  // Each of the two waits for the other, which one thread alone could not outlive.
  std::atomic<int> arrived{0};
  thread_pool_parallel_for(
      pool,
      [](void *arg, int64_t) {
        auto *count = static_cast<std::atomic<int> *>(arg);
        ++*count;
        while (count->load() < 2) std::this_thread::yield();
      },
      &arrived, 2);
  EXPECT_EQ(arrived.load(), 2);
  release_thread_pool(pool);
}

// A signal that a worker took would find a thread that knows nothing of it, and its handler a small stack.
TEST(ThreadPool, WorkersTakeNoneOfTheApplicationsSignals) {
  constexpr int kWorkers = 3;
  sigset_t one, before;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR2);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &one, &before), 0);
  Text reason;
  ThreadPool *pool = create_thread_pool(c_library, kWorkers, &reason);
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, &before, &after);
  for (int signal = 1; signal < NSIG; ++signal) {
    EXPECT_EQ(sigismember(&after, signal), signal == SIGUSR2) << "of its maker: " << strsignal(signal);
  }
  ASSERT_NE(pool, nullptr);
  ASSERT_EQ(thread_pool_workers(pool), kWorkers);
  struct Tasks {
    pthread_t caller = pthread_self();
    std::atomic<int> arrived{0}, taken{0};
  } tasks;
  const auto task = [](void *arg, int64_t) {
    Tasks *t = static_cast<Tasks *>(arg);
    ++t->arrived;
    while (t->arrived.load() < kWorkers + 1) std::this_thread::yield();  // each thread has one
    if (pthread_equal(t->caller, pthread_self()) != 0) return;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (const int signal :
         {SIGHUP, SIGINT, SIGQUIT, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD, SIGIO, SIGPROF, SIGRTMIN + 1}) {
      t->taken += sigismember(&blocked, signal) != 1;
    }
  };
  thread_pool_parallel_for(pool, task, &tasks, kWorkers + 1);
  EXPECT_EQ(tasks.taken.load(), 0);
  release_thread_pool(pool);
}

// Nobody is to cancel them, but a task can tell who they are.
TEST(ThreadPool, WorkersCannotBeCancelled) {
  constexpr int kWorkers = 3;
  Text reason;
  ThreadPool *pool = create_thread_pool(c_library, kWorkers, &reason);
  ASSERT_NE(pool, nullptr);
  ASSERT_EQ(thread_pool_workers(pool), kWorkers);
  struct Tasks {
    std::atomic<int> arrived{0};
    pthread_t threads[kWorkers + 1];
  };
  const auto task = [](void *arg, int64_t) {
    Tasks *tasks = static_cast<Tasks *>(arg);
    tasks->threads[tasks->arrived++] = pthread_self();
    while (tasks->arrived.load() < kWorkers + 1) std::this_thread::yield();  // each thread has one
  };
  for (int round = 0; round < 3; ++round) {
    Tasks tasks;
    thread_pool_parallel_for(pool, task, &tasks, kWorkers + 1);
    for (const pthread_t thread : tasks.threads) {
      if (pthread_equal(thread, pthread_self()) == 0) pthread_cancel(thread);
    }
  }
  release_thread_pool(pool);
}

TEST(ThreadPlacement, WakesOffACpuAndMayThenRunAnywhere) {
  cpu_set_t own;
  ASSERT_EQ(sched_getaffinity(0, sizeof own, &own), 0);
  if (CPU_COUNT(&own) < 2) GTEST_SKIP() << "this process may use one CPU only";
  ThreadPlacement placement;
  placement.start(CpuSet(0));
  for (int round = 0; round < 20; ++round) {
    const int cpu = this_cpu();
    placement.keep_off(cpu);
    EXPECT_NE(this_cpu(), cpu);
    placement.keep_off(this_cpu());  // before it woke: off the other one alone
    EXPECT_NE(this_cpu(), -1);
    placement.wake();
    cpu_set_t now;
    ASSERT_EQ(sched_getaffinity(0, sizeof now, &now), 0);
    EXPECT_TRUE(CPU_EQUAL(&now, &own));
  }
}

TEST(ThreadPlacement, StaysWhereThereIsNoOtherCpu) {
  cpu_set_t own, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof own, &own), 0);
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(this_cpu()), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  ThreadPlacement placement;
  placement.start(CpuSet(0));
  placement.keep_off(this_cpu());
  placement.keep_off(-1);
  placement.wake();
  cpu_set_t now;
  ASSERT_EQ(sched_getaffinity(0, sizeof now, &now), 0);
  EXPECT_TRUE(CPU_EQUAL(&now, &one));
  ASSERT_EQ(sched_setaffinity(0, sizeof own, &own), 0);
}

// Calls of which some keep their workers off their CPU: in the end every worker may run anywhere.
TEST(ThreadPool, WorkersKeepTheirCpus) {
  cpu_set_t own;
  ASSERT_EQ(sched_getaffinity(0, sizeof own, &own), 0);
  Text reason;
  ThreadPool *pool = create_thread_pool(c_library, 3, &reason);
  ASSERT_NE(pool, nullptr);
  struct Seen {
    const cpu_set_t *own;
    std::atomic<int> wrong{0};
  } seen = {&own};
  for (int round = 0; round < 500; ++round) {
    thread_pool_parallel_for(
        pool,
        [](void *arg, int64_t) {
          Seen *s = static_cast<Seen *>(arg);
          cpu_set_t now;
          s->wrong += sched_getaffinity(0, sizeof now, &now) != 0 || !CPU_EQUAL(&now, s->own);
        },
        &seen, 4);
    if (round % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
  EXPECT_EQ(seen.wrong.load(), 0);
  release_thread_pool(pool);
}

TEST(ThreadPool, MemoryComesFromTheAllocator) {
  struct Log {
    int live = 0, total = 0;
    bool fails = false;
  } log;
  const Memory memory = {[](void *arg, size_t bytes, size_t alignment) -> void * {
                           Log *l = static_cast<Log *>(arg);
                           if (l->fails) return nullptr;
                           ++l->live;
                           ++l->total;
                           void *block = nullptr;
                           return posix_memalign(&block, alignment, bytes) == 0 ? block : nullptr;
                         },
                         [](void *arg, void *block) {
                           --static_cast<Log *>(arg)->live;
                           free(block);
                         },
                         &log};
  Text reason;
  release_thread_pool(create_thread_pool(memory, 2, &reason));
  EXPECT_EQ(log.total, 1);
  EXPECT_EQ(log.live, 0);
  log.fails = true;
  EXPECT_EQ(create_thread_pool(memory, 2, &reason), nullptr);
  EXPECT_STRNE(reason.c_str(), "");
  retain_thread_pool(nullptr);
  release_thread_pool(nullptr);
}

}  // namespace
}  // namespace convgrad
