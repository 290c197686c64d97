// A thread that is cancelled (pthread_cancel) in a call finishes it: locks are given back, memory is not lost, and the
// context serves others. The tests run in children, which end where a lock stays held.
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include "support/child.h"
#include "support/run.h"

namespace convgrad::test {
namespace {

// One problem with its data, for functions and plans.
struct Call {
  explicit Call(const Problem &p) : Call(p, integer_data(p, 19)) {}
  Call(const Problem &p, const Data &data) : problem(p), tensors(p, data.first, data.second), expected(data.expected) {}
  convgrad_status run(const convgrad_context *context) { return tensors.call(context); }
  convgrad_status plan(const convgrad_context *context, convgrad_plan **made) const {
    return tensors.make_plan(context, made);
  }
  convgrad_status run(const convgrad_plan *made) { return tensors.run(made); }
  bool computes(const convgrad_context *context) {
    tensors.clear_result();
    if (run(context) != CONVGRAD_OK) return false;
    const std::vector<double> result = tensors.result();
    return std::equal(result.begin(), result.end(), expected.begin());
  }

  Problem problem;
  Tensors tensors;
  std::vector<long double> expected;
};

std::vector<Call> calls() {
  std::vector<Call> result;
  for (const Problem &problem : expand_all({"all n4 h12 w13 c20 k24 r3x3 pSAME"})) result.emplace_back(problem);
  return result;
}

struct Thread {
  std::function<void()> work;
  bool finished = false, survived = false;
};

// Whether a thread that is cancelled before it does the work does all of it, and is cancelled then.
bool finishes_when_cancelled(const std::function<void()> &work) {
  Thread thread = {work};
  pthread_t id;
  const auto body = [](void *arg) -> void * {
    Thread *self = static_cast<Thread *>(arg);
    pthread_cancel(pthread_self());
    self->work();
    self->finished = true;
    pthread_testcancel();
    self->survived = true;
    return nullptr;
  };
  if (pthread_create(&id, nullptr, body, &thread) != 0) return false;
  void *result = nullptr;
  pthread_join(id, &result);
  return thread.finished && !thread.survived && result == PTHREAD_CANCELED;
}

// Where many programs' allocators have one: at a lock, or in what they log.
void cancellation_point() { pthread_testcancel(); }

convgrad_context_options options_with_cancellation_points() {
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = 3;
  options.allocate = [](void *, size_t bytes, size_t alignment) -> void * {
    cancellation_point();
    void *block = nullptr;
    return posix_memalign(&block, alignment, bytes) == 0 ? block : nullptr;
  };
  options.release = [](void *, void *block) {
    cancellation_point();
    std::free(block);
  };
  options.parallel_for = [](void *, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
    cancellation_point();
    for (int64_t i = 0; i < count; ++i) task(arg, i);
  };
  return options;
}

TEST(Cancel, EveryFunctionIsFinished) {
  const ChildResult child = run_in_child({}, [] {
    const convgrad_context_options options = options_with_cancellation_points();
    for (Call &call : calls()) {
      convgrad_context *context = nullptr;
      convgrad_plan *plan = nullptr;
      int failed = 0;
      const std::function<void()> functions[] = {
          [&] { failed += convgrad_context_create(&options, &context) != CONVGRAD_OK; },
          [&] { failed += call.run(context) != CONVGRAD_OK; },
          [&] { failed += call.plan(context, &plan) != CONVGRAD_OK; },
          [&] { failed += call.run(plan) != CONVGRAD_OK; },
          [&] { convgrad_plan_destroy(plan); },
          [&] { convgrad_context_destroy(context); },
      };
      int index = 0;
      for (const auto &function : functions) {
        if (!finishes_when_cancelled(function) || failed != 0) {
          std::printf("function %d of %s\n", index, call.problem.to_string().c_str());
          return 1;
        }
        ++index;
      }
    }
    return 0;
  });
  EXPECT_EQ(child.exit_code, 0) << child.output;
  tally().problems += 3 * 2;
}

// What makes it reads folders, and holds a lock meanwhile.
TEST(Cancel, TheDefaultContextIsMade) {
  const ChildResult child = run_in_child({{"CONVGRAD_NUM_THREADS", "3"}}, [] {
    Call call = calls()[0];
    if (!finishes_when_cancelled([&call] { call.run(static_cast<convgrad_context *>(nullptr)); })) return 1;
    return call.computes(nullptr) ? 0 : 2;
  });
  EXPECT_EQ(child.exit_code, 0) << child.output;
  tally().problems += 2;
}

// At any moment of calls on the library's own threads, whose ends a caller waits for.
TEST(Cancel, InTheMidstOfCalls) {
  const ChildResult child = run_in_child({}, [] {
    Context context = make_context("", 4);
    if (context == nullptr) return 1;
    std::vector<Call> all = calls();
    std::mt19937 random(23);
    for (int repeat = 0; repeat < 200; ++repeat) {
      struct Caller {
        const convgrad_context *context;
        Call call;
      } caller = {context.get(), all[static_cast<size_t>(repeat) % all.size()]};
      pthread_t id;
      const auto body = [](void *arg) -> void * {
        Caller *self = static_cast<Caller *>(arg);
        while (self->call.run(self->context) == CONVGRAD_OK) pthread_testcancel();
        return nullptr;
      };
      if (pthread_create(&id, nullptr, body, &caller) != 0) return 2;
      usleep(std::uniform_int_distribution<unsigned>(0, 500)(random));
      pthread_cancel(id);
      void *result = nullptr;
      pthread_join(id, &result);
      if (result != PTHREAD_CANCELED) return 3;
      if (!all[static_cast<size_t>(repeat) % all.size()].computes(context.get())) return 4;
    }
    context.reset();
    return 0;
  });
  EXPECT_EQ(child.exit_code, 0) << child.output;
  tally().problems += 200;
}

}  // namespace
}  // namespace convgrad::test
