// How many threads a context has by itself, and on which CPUs they run: those of the process, whatever its maker is
// pinned to.
#include "os/cpus.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "context.h"

namespace convgrad {
namespace {

cpu_set_t cpus_of_this_thread() {
  cpu_set_t cpus;
  EXPECT_EQ(sched_getaffinity(0, sizeof cpus, &cpus), 0);
  return cpus;
}

// Confines a thread to the CPU on which the calling one runs. 0: that one itself.
void pin(pid_t thread) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
  EXPECT_EQ(sched_setaffinity(thread, sizeof one, &one), 0);
}

// In a thread that is pinned to one CPU, while the calling one, which waits for it, is not.
void in_a_pinned_thread(const std::function<void()> &function) {
  std::thread([&] {
    pin(0);
    function();
  }).join();
}

// Threads and CPUs of a context whose number of threads is left to the library.
struct Made {
  int32_t threads = 0;
  int workers_elsewhere = 0;  // than on the CPUs that are expected
};

Made make_context(const cpu_set_t &expected) {
  Made made;
  convgrad_context *context = nullptr;
  EXPECT_EQ(convgrad_context_create(nullptr, &context), CONVGRAD_OK) << convgrad_last_error();
  if (context == nullptr) return made;
  const Parallel &parallel = context->settings.parallel;
  made.threads = parallel.num_threads;
  struct Tasks {
    cpu_set_t expected;
    std::thread::id caller;
    int32_t count;
    std::atomic<int> arrived{0}, elsewhere{0};
  } tasks = {expected, std::this_thread::get_id(), made.threads};
  if (made.threads > 1) {
    const auto task = [](void *arg, int64_t) {
      Tasks *t = static_cast<Tasks *>(arg);
      ++t->arrived;
      while (t->arrived < t->count) std::this_thread::yield();  // each thread has one
      if (std::this_thread::get_id() == t->caller) return;
      const cpu_set_t own = cpus_of_this_thread();
      t->elsewhere += !CPU_EQUAL(&own, &t->expected);
    };
    run_tasks(parallel, task, &tasks, made.threads);
  }
  made.workers_elsewhere = tasks.elsewhere;
  convgrad_context_destroy(context);
  return made;
}

TEST(Cpus, AreThoseOfTheProcess) {
  const cpu_set_t all = cpus_of_this_thread();
  const Made made = make_context(all);
  EXPECT_EQ(made.threads, CPU_COUNT(&all));
  EXPECT_EQ(made.workers_elsewhere, 0);
}

TEST(Cpus, AreThoseOfTheProcessForAPinnedThread) {
  const cpu_set_t all = cpus_of_this_thread();
  if (CPU_COUNT(&all) < 2) GTEST_SKIP() << "this process may use one CPU only";
  in_a_pinned_thread([&all] {
    const Made made = make_context(all);
    EXPECT_EQ(made.threads, CPU_COUNT(&all));
    EXPECT_EQ(made.workers_elsewhere, 0);
    const cpu_set_t own = cpus_of_this_thread();
    EXPECT_EQ(CPU_COUNT(&own), 1) << "the caller's CPUs are its own";
  });
}

TEST(Cpus, OneWhereAllThreadsArePinned) {
  int status = -1;
  // A child has the one thread that forked, in an emulator more. (From the newest thread, because QEMU 7.2 confuses
  // other threads of the parent with those of its child.)
  std::thread([&status] {
    const pid_t child = fork();
    if (child == 0) {
      alarm(30);
      pin(0);
      for (const auto &task : std::filesystem::directory_iterator("/proc/self/task")) {
        pin(static_cast<pid_t>(std::stoi(task.path().filename())));
      }
      int threads = 0;
      std::thread([&threads] { threads = make_context(cpus_of_this_thread()).threads; }).join();
      _exit(threads);
    }
    if (child > 0) waitpid(child, &status, 0);
  }).join();
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

// Where there is no /proc the first thread still says what the process was started with.
TEST(Cpus, AreThoseOfTheFirstThreadToo) {
  const CpuSet first(getpid());
  in_a_pinned_thread([&first] { EXPECT_TRUE(cpus_of_process("/there is no such folder") == first); });
}

// More than one read of the folder has room for.
TEST(Cpus, ManyThreads) {
  const CpuSet all(0);
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 300; ++i) {
    threads.emplace_back([&done] {
      while (!done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  }
  EXPECT_TRUE(cpus_of_process() == all);
  done = true;
  for (std::thread &thread : threads) thread.join();
}

}  // namespace
}  // namespace convgrad
