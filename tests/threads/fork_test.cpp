// After a fork the child computes: with the default context, with a context of its own, and with what it inherits,
// whose threads are not there. The parent's go on.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "support/child.h"
#include "support/run.h"

namespace convgrad::test {
namespace {

constexpr uint64_t kSeed = 17;

struct Case {
  Problem problem;
  Data data;
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Problem &problem : in_each_dtype(expand_all({"all n4 h12 w13 c20 k24 r3x3 pSAME"}))) {
    result.push_back({problem, integer_data(problem, kSeed)});
  }
  return result;
}

// Whether some calls are right. Prints what is not: a child cannot fail a test itself.
bool computes(const convgrad_context *context, const Case &one) {
  Runner runner;
  for (Entry entry : {Entry::kFunction, Entry::kPlan}) {
    RunOptions how;
    how.entry = entry;
    const auto equal = equals_expected(runner.run(context, one.problem, one.data.first, one.data.second, how),
                                       one.data.expected, {&one.problem, "", kSeed, 4});
    if (!equal) {
      std::printf("%s\n", equal.message());
      return false;
    }
  }
  return true;
}

// A plan with its operands and result.
struct Planned {
  Planned(const convgrad_context *context, const Case &one)
      : expected(one.data.expected), tensors(one.problem, one.data.first, one.data.second) {
    convgrad_plan *raw = nullptr;
    EXPECT_EQ(tensors.make_plan(context, &raw), CONVGRAD_OK) << convgrad_last_error();
    plan.reset(raw);
  }
  bool computes() {
    tensors.clear_result();
    if (tensors.run(plan.get()) != CONVGRAD_OK) return false;
    const std::vector<double> result = tensors.result();
    return std::equal(result.begin(), result.end(), expected.begin());
  }

  std::vector<long double> expected;
  Tensors tensors;
  Plan plan;
};

TEST(Fork, TheChildMakesANewContext) {
  for (const Case &one : cases()) {
    const Context context = make_context("", 4);
    ASSERT_NE(context, nullptr) << convgrad_last_error();
    // The parent's threads run before the fork and are not there after it.
    ASSERT_TRUE(computes(context.get(), one));
    const ChildResult child = run_in_child({}, [&] {
      const Context own = make_context("", 4);
      if (own == nullptr) return 2;
      return computes(own.get(), one) ? 0 : 1;
    });
    EXPECT_EQ(child.exit_code, 0) << one.problem.to_string() << "\n" << child.output;
    EXPECT_TRUE(computes(context.get(), one));
    tally().problems += 6;
  }
}

TEST(Fork, TheChildUsesTheDefaultContext) {
  // In a child of its own, so that the default context has threads whatever this machine has.
  const ChildResult parent = run_in_child({{"CONVGRAD_NUM_THREADS", "4"}}, [] {
    for (const Case &one : cases()) {
      if (!computes(nullptr, one)) return 1;
      // Its environment is read anew, and so is its own child's.
      const ChildResult child = run_in_child({{"CONVGRAD_NUM_THREADS", "3"}}, [&] {
        if (!computes(nullptr, one)) return 1;
        const ChildResult grandchild = run_in_child({}, [&] { return computes(nullptr, one) ? 0 : 1; });
        std::printf("%s", grandchild.output.c_str());
        return grandchild.exit_code;
      });
      std::printf("%s", child.output.c_str());
      if (child.exit_code != 0) return 2;
      const ChildResult bad = run_in_child({{"CONVGRAD_NUM_THREADS", "none"}}, [&] { return computes(nullptr, one); });
      if (bad.exit_code != 0) return 3;
      if (!computes(nullptr, one)) return 4;
    }
    return 0;
  });
  EXPECT_EQ(parent.exit_code, 0) << parent.output;
  tally().problems += 3 * 8;
}

TEST(Fork, TheChildUsesAndDestroysWhatItInherits) {
  for (const Case &one : cases()) {
    Context context = make_context("", 4);
    ASSERT_NE(context, nullptr) << convgrad_last_error();
    Planned planned(context.get(), one);
    ASSERT_TRUE(planned.computes());
    const ChildResult child = run_in_child({}, [&] {
      if (!planned.computes()) return 1;
      if (!computes(context.get(), one)) return 2;
      context.reset();
      if (!planned.computes()) return 3;  // a plan outlives its context
      planned.plan.reset();
      return 0;
    });
    EXPECT_EQ(child.exit_code, 0) << one.problem.to_string() << "\n" << child.output;
    EXPECT_TRUE(planned.computes());
    EXPECT_TRUE(computes(context.get(), one));
    tally().problems += 6;
  }
}

// The pool's mutex, and the making of the default context, may be anyone's at that moment.
TEST(Fork, WhileOtherThreadsAreInCalls) {
  if (test_options().emulated) {
    tally().add_skipped("WhileOtherThreadsAreInCalls");
    GTEST_SKIP() << "QEMU 7.2 ends with an assertion where one of several running threads forks";
  }
  const ChildResult parent = run_in_child({{"CONVGRAD_NUM_THREADS", "3"}}, [] {
    const std::vector<Case> all = cases();
    const Context context = make_context("", 3);
    if (context == nullptr) return 1;
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        Planned planned(i == 0 ? nullptr : context.get(), all[static_cast<size_t>(i)]);
        while (!stop) wrong += !planned.computes();
      });
    }
    int failed = 0;
    for (int repeat = 0; repeat < 40 && failed == 0; ++repeat) {
      Planned planned(context.get(), all[static_cast<size_t>(repeat % 3)]);
      const ChildResult child = run_in_child({}, [&] {
        if (!planned.computes()) return 1;
        if (!Planned(nullptr, all[0]).computes()) return 2;
        planned.plan.reset();
        convgrad_context_destroy(context.get());
        return 0;
      });
      if (child.exit_code != 0) {
        std::printf("child %d: %d %s\n", repeat, child.exit_code, child.output.c_str());
        failed = 2;
      }
    }
    stop = true;
    for (std::thread &thread : threads) thread.join();
    return wrong != 0 ? 3 : failed;
  });
  EXPECT_EQ(parent.exit_code, 0) << parent.output;
  tally().problems += 80;
}

}  // namespace
}  // namespace convgrad::test
