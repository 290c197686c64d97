// Threads that sleep until a caller has work. Any number of callers share them; each works on its own job too, so that
// a job ends whatever the other threads do.
#ifndef CONVGRAD_RUNTIME_THREAD_POOL_H
#define CONVGRAD_RUNTIME_THREAD_POOL_H

#include <cstdint>

#include "memory.h"

namespace convgrad {

struct ThreadPool;

// With up to `workers` threads: fewer where the system gives no more. They may run on all CPUs of the process, whatever
// the calling thread is pinned to. NULL: out of memory, as `reason` says. Has one reference. A child made by fork
// inherits pools without threads: their callers there do all the work.
ThreadPool *create_thread_pool(const Memory &memory, int workers, Text *reason);
void retain_thread_pool(ThreadPool *pool);   // NULL does nothing
void release_thread_pool(ThreadPool *pool);  // the last one ends the threads; NULL does nothing
int thread_pool_workers(const ThreadPool *pool);

// Calls task(arg, i) once for each i in [0, count) and returns when all are done. `pool` is a ThreadPool.
void thread_pool_parallel_for(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count);

}  // namespace convgrad

#endif
