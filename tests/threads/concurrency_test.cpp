// Many threads in the library at once. Also linked with the runtime under ThreadSanitizer.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/run.h"
#include "threads/shuffled_pool.h"

namespace convgrad::test {
namespace {

constexpr int kCallers = 16;
constexpr int kRepeats = 6;
constexpr uint64_t kSeed = 13;

const std::vector<std::string> kShapes = {
    "all n2 h9 w11 c20 k24 fixed pSAME",
    "all n2 h9 w8 c6 k4 g2 r3x3 d2x1 pSAME NCHW",
};

std::vector<Problem> problems() { return affordable(in_each_dtype(expand_all(kShapes))); }

void in_threads(int count, const std::function<void(int)> &work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread &thread : threads) thread.join();
}

struct FreeDeleter {
  void operator()(void *pointer) const { std::free(pointer); }
};

// One plan, used by all callers at once with their own results and workspaces.
void share_a_plan(const convgrad_context *context, const Problem &problem) {
  const Data data = integer_data(problem, kSeed);
  const Tensors tensors(problem, data.first, data.second);
  convgrad_plan *raw = nullptr;
  ASSERT_EQ(tensors.make_plan(context, &raw), CONVGRAD_OK) << convgrad_last_error();
  const Plan plan(raw);
  tally().add_kernel(convgrad_plan_kernel(raw));
  std::atomic<int> failed{0};
  std::atomic<int> wrong{0};
  in_threads(kCallers, [&](int caller) {
    const std::unique_ptr<void, FreeDeleter> workspace(std::aligned_alloc(
        CONVGRAD_WORKSPACE_ALIGNMENT, convgrad_plan_workspace_size(raw) + CONVGRAD_WORKSPACE_ALIGNMENT));
    std::vector<char> result(tensors.memory[2].size());
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      fill_pattern(result.data(), result.size());
      // Some calls get their scratch from the library.
      void *scratch = (caller + repeat) % 4 == 0 ? nullptr : workspace.get();
      failed += convgrad_plan_run(raw, tensors.memory[0].data(), tensors.memory[1].data(), result.data(), scratch) !=
                CONVGRAD_OK;
      const std::vector<double> got = gather(tensors.layouts.result, result.data());
      for (size_t i = 0; i < got.size(); ++i) wrong += got[i] != data.expected[i];
    }
  });
  EXPECT_EQ(failed, 0) << problem.to_string();
  EXPECT_EQ(wrong, 0) << problem.to_string();
  tally().problems += kCallers * kRepeats;
}

TEST(Concurrency, SharedPlanOnTheLibrarysThreads) {
  for (int threads : {1, 2, 4}) {
    const Context context = make_context("", threads);
    ASSERT_NE(context, nullptr) << convgrad_last_error();
    for (const Problem &problem : problems()) share_a_plan(context.get(), problem);
  }
}

TEST(Concurrency, SharedPlanOnTheApplicationsThreads) {
  ShuffledPool pool(1);
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = 3;
  options.parallel_for = ShuffledPool::parallel_for;
  options.pool = &pool;
  const Context context = make_context(options);
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  for (const Problem &problem : problems()) share_a_plan(context.get(), problem);
  EXPECT_GT(pool.calls(), 0u);
}

// The process-wide default context at its first use, by all callers at once, in functions and plans.
TEST(Concurrency, DefaultContext) {
  const std::vector<Problem> all = problems();
  std::vector<Data> data;
  for (const Problem &problem : all) data.push_back(integer_data(problem, kSeed));
  std::atomic<int> wrong{0};
  in_threads(kCallers, [&](int caller) {
    Runner runner;
    for (size_t i = 0; i < all.size(); ++i) {
      const size_t at = (i + static_cast<size_t>(caller)) % all.size();
      RunOptions how;
      how.entry = caller % 2 == 0 ? Entry::kFunction : Entry::kPlan;
      const Outcome outcome = runner.run(nullptr, all[at], data[at].first, data[at].second, how);
      wrong += !equals_expected(outcome, data[at].expected, {&all[at], "", kSeed, 0});
    }
  });
  EXPECT_EQ(wrong, 0);
  tally().problems += kCallers * static_cast<int64_t>(all.size());
}

TEST(Concurrency, ContextsComeAndGo) {
  const std::vector<Problem> all = problems();
  std::vector<Data> data;
  for (const Problem &problem : all) data.push_back(integer_data(problem, kSeed));
  std::atomic<int> wrong{0};
  in_threads(8, [&](int caller) {
    Runner runner;
    for (int repeat = 0; repeat < 8; ++repeat) {
      const size_t at = static_cast<size_t>(caller + repeat) % all.size();
      const Context context = make_context("", 1 + (caller + repeat) % 4);
      if (context == nullptr) {
        ++wrong;
        continue;
      }
      const Outcome outcome = runner.run(context.get(), all[at], data[at].first, data[at].second);
      wrong += !equals_expected(outcome, data[at].expected, {&all[at], "", kSeed, 0});
    }
  });
  EXPECT_EQ(wrong, 0);
  tally().problems += 64;
}

// A plan keeps what it needs of its context.
TEST(Concurrency, PlansOutliveTheirContext) {
  for (const Problem &problem : problems()) {
    Context context = make_context("", 3);
    ASSERT_NE(context, nullptr) << convgrad_last_error();
    const Data data = integer_data(problem, kSeed);
    Tensors tensors(problem, data.first, data.second);
    convgrad_plan *raw = nullptr;
    ASSERT_EQ(tensors.make_plan(context.get(), &raw), CONVGRAD_OK) << convgrad_last_error();
    const Plan plan(raw);
    context.reset();
    tensors.clear_result();
    ASSERT_EQ(tensors.run(raw), CONVGRAD_OK) << convgrad_last_error();
    const std::vector<double> result = without_rounding(tensors.result(), convgrad_plan_kernel(raw));
    for (size_t i = 0; i < result.size(); ++i) ASSERT_EQ(result[i], data.expected[i]) << problem.to_string();
    ++tally().problems;
  }
}

TEST(Concurrency, LastErrorIsTheThreadsOwn) {
  std::atomic<int> wrong{0};
  in_threads(8, [&](int caller) {
    if (std::string(convgrad_last_error()) != "") ++wrong;
    for (int repeat = 0; repeat < 50; ++repeat) {
      convgrad_context_options options = convgrad_context_options_default();
      const std::string name = "no_such_kernel_" + std::to_string(caller);
      options.kernel = name.c_str();
      convgrad_context *context = nullptr;
      if (convgrad_context_create(&options, &context) == CONVGRAD_OK) ++wrong;
      if (std::string(convgrad_last_error()).find(name) == std::string::npos) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace convgrad::test
