#include "thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>

#include "os/cpus.h"
#include "os/fork_safe_lock.h"
#include "os/no_cancellation.h"
#include "os/thread_placement.h"

namespace convgrad {

namespace {

// Lives on its caller's stack. The pool's mutex guards it.
struct Job {
  void (*task)(void *arg, int64_t index);
  void *arg;
  int64_t count;
  int64_t next;  // the first index that nobody has taken
  std::atomic<int64_t> done;
  Job *following;
  pthread_cond_t finished;
};

// After a worker was seen to wake on its caller's CPU so many calls that find workers asleep look to it that none wakes
// there, which costs some microseconds a worker and call; then one may find out whether that is still so. (Calls that
// follow each other find none asleep: they do not count.)
constexpr int kCrowdedCalls = 64;

// How long a thread looks for the next loop, or for the end of its own, before it sleeps. Between the loops of a call
// and the calls of a network there are microseconds; waking a thread takes tens of them. (docs/measurements/threads.md)
constexpr int64_t kSpinNanoseconds = 50000;

struct Worker {
  ThreadPool *pool;
  pthread_t thread;
  bool asleep;
  ThreadPlacement placement;
};

}  // namespace

struct ThreadPool {
  ThreadPool *next;  // in the list of all
  Memory memory;
  std::atomic<int> references;
  pid_t process;  // whose threads they are
  pthread_mutex_t mutex;
  pthread_cond_t work;
  Job *first;  // jobs with indices left to take
  Job *last;
  std::atomic<int64_t> posted;  // how many jobs there were, for those who look without the mutex
  bool stop;
  CpuSet cpus;        // that workers may run on
  int caller_cpu;     // of the latest call; -1: not known
  int crowded_calls;  // how many calls that find workers asleep are to keep them off their CPU
  int workers;
  Worker *worker;  // behind the struct
};

namespace {

// All that this process has made or inherited. Whenever it forks, the child's list is whole.
ThreadPool *pools;
ForkSafeLock pools_lock;

// Fork copies the pool but not its threads; the mutex stays as it was, held by a thread that is not there perhaps.
bool inherited(const ThreadPool *pool) { return pool->process != getpid(); }

int64_t now_nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

inline void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Gives the mutex back for as long as `waiting` says, but not for long. What it says is to be asked again under the
// mutex.
template <typename Waiting>
void spin(ThreadPool *pool, const Waiting &waiting) {
  pthread_mutex_unlock(&pool->mutex);
  const int64_t until = now_nanoseconds() + kSpinNanoseconds;
  while (waiting() && now_nanoseconds() < until) {
    for (int i = 0; i < 16; ++i) pause_cpu();
  }
  pthread_mutex_lock(&pool->mutex);
}

// Takes one index of `job`, which has one left, and calls the task. Called and returns with the mutex held.
void run_one(ThreadPool *pool, Job *job) {
  const int64_t index = job->next++;
  if (job->next == job->count) {
    Job **link = &pool->first;
    Job *before = nullptr;
    while (*link != job) {
      before = *link;
      link = &before->following;
    }
    *link = job->following;
    if (pool->last == job) pool->last = before;
  }
  pthread_mutex_unlock(&pool->mutex);
  job->task(job->arg, index);
  pthread_mutex_lock(&pool->mutex);
  // The caller cannot leave, and take the job with it, before the mutex is given back.
  if (job->done.fetch_add(1, std::memory_order_relaxed) + 1 == job->count) pthread_cond_signal(&job->finished);
}

void *worker_main(void *arg) {
  const NoCancellation scope;
  Worker *self = static_cast<Worker *>(arg);
  ThreadPool *pool = self->pool;
  pthread_mutex_lock(&pool->mutex);
  self->placement.start(pool->cpus);
  while (true) {
    // Not on the CPU of a caller, who would have to wait for that.
    if (pool->first == nullptr && !pool->stop && this_cpu() != pool->caller_cpu) {
      const int64_t seen = pool->posted.load(std::memory_order_relaxed);
      spin(pool, [&] { return pool->posted.load(std::memory_order_relaxed) == seen; });
    }
    while (pool->first == nullptr && !pool->stop) {
      self->asleep = true;
      pthread_cond_wait(&pool->work, &pool->mutex);
      self->asleep = false;
      // Woken there only to find the work done, or about to be.
      if (this_cpu() == pool->caller_cpu) pool->crowded_calls = kCrowdedCalls;
      self->placement.wake();
    }
    if (pool->stop) break;
    run_one(pool, pool->first);
  }
  pthread_mutex_unlock(&pool->mutex);
  return nullptr;
}

// Called with the mutex held, returns without it. Calls in flight do the rest of their work themselves.
void end_workers(ThreadPool *pool) {
  const int workers = pool->workers;
  pool->workers = 0;
  pool->stop = true;
  pool->posted.fetch_add(1, std::memory_order_relaxed);
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->mutex);
  for (int i = 0; i < workers; ++i) pthread_join(pool->worker[i].thread, nullptr);
}

#ifdef CONVGRAD_SHARED_LIBRARY

// False: whoever holds the lock is not going to give it back.
template <typename TryLock>
bool lock_in_time(const TryLock &try_lock) {
  for (int tries = 0; tries < 1000; ++tries) {
    if (try_lock()) return true;
    usleep(1000);
  }
  return false;
}

// Threads must not outlive their code, whatever contexts have been forgotten. This runs when the library is unloaded,
// but also when the process ends, where calls may be in flight: their pools stay, and go on without workers. The very
// thread that ends the process may be in one, interrupted by the signal whose handler ends it.
__attribute__((destructor)) void end_all_workers() {
  if (!lock_in_time([] { return pools_lock.try_lock(); })) return;
  for (ThreadPool *pool = pools; pool != nullptr; pool = pool->next) {
    if (inherited(pool)) continue;
    if (lock_in_time([pool] { return pthread_mutex_trylock(&pool->mutex) == 0; })) end_workers(pool);
  }
  pools_lock.unlock();
}

#endif

}  // namespace

ThreadPool *create_thread_pool(const Memory &memory, int workers, Text *reason) {
  static_assert(sizeof(ThreadPool) % alignof(Worker) == 0, "workers lie behind their pool");
  const size_t bytes = sizeof(ThreadPool) + static_cast<size_t>(workers) * sizeof(Worker);
  void *block = allocate(memory, bytes, alignof(ThreadPool), reason);
  if (block == nullptr) return nullptr;
  ThreadPool *pool = new (block) ThreadPool;
  pool->memory = memory;
  pool->references.store(1);
  pool->process = getpid();
  pthread_mutex_init(&pool->mutex, nullptr);
  pthread_cond_init(&pool->work, nullptr);
  pool->first = pool->last = nullptr;
  pool->posted.store(0);
  pool->stop = false;
  pool->cpus = cpus_of_process();
  pool->caller_cpu = -1;
  pool->crowded_calls = 0;
  pool->workers = 0;
  pool->worker = reinterpret_cast<Worker *>(pool + 1);

  // The application's signals are for its own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (; pool->workers < workers; ++pool->workers) {
    Worker *worker = new (&pool->worker[pool->workers]) Worker{pool, {}, false, {}};
    if (pthread_create(&worker->thread, nullptr, worker_main, worker) != 0) break;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  pools_lock.lock();
  pool->next = pools;
  pools = pool;
  pools_lock.unlock();
  return pool;
}

void retain_thread_pool(ThreadPool *pool) {
  if (pool != nullptr) pool->references.fetch_add(1);
}

void release_thread_pool(ThreadPool *pool) {
  if (pool == nullptr || pool->references.fetch_sub(1) != 1) return;
  pools_lock.lock();
  ThreadPool **link = &pools;
  while (*link != pool) link = &(*link)->next;
  *link = pool->next;
  pools_lock.unlock();
  if (!inherited(pool)) {
    pthread_mutex_lock(&pool->mutex);
    end_workers(pool);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
  }
  const Memory memory = pool->memory;
  pool->~ThreadPool();
  release(memory, pool);
}

int thread_pool_workers(const ThreadPool *pool) { return pool->workers; }

void thread_pool_parallel_for(void *threads, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
  if (count <= 0) return;
  ThreadPool *pool = static_cast<ThreadPool *>(threads);
  if (inherited(pool)) {
    for (int64_t i = 0; i < count; ++i) task(arg, i);
    return;
  }
  Job job = {task, arg, count, 0, {0}, nullptr, PTHREAD_COND_INITIALIZER};
  pthread_mutex_lock(&pool->mutex);
  (pool->last == nullptr ? pool->first : pool->last->following) = &job;
  pool->last = &job;
  pool->posted.fetch_add(1, std::memory_order_relaxed);
  const int64_t helpers = std::min<int64_t>(count - 1, pool->workers);
  pool->caller_cpu = this_cpu();
  if (helpers > 0 && pool->crowded_calls > 0) {
    bool any_asleep = false;
    for (int i = 0; i < pool->workers; ++i) {
      if (!pool->worker[i].asleep) continue;
      any_asleep = true;
      pool->worker[i].placement.keep_off(pool->caller_cpu);
    }
    if (any_asleep) --pool->crowded_calls;
  }
  for (int64_t i = 0; i < helpers; ++i) pthread_cond_signal(&pool->work);
  while (job.next < job.count) run_one(pool, &job);
  const auto unfinished = [&] { return job.done.load(std::memory_order_relaxed) < count; };
  if (unfinished()) spin(pool, unfinished);
  while (unfinished()) pthread_cond_wait(&job.finished, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
  pthread_cond_destroy(&job.finished);
}

}  // namespace convgrad
