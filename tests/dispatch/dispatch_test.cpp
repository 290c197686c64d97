// What was asked for by name is what ran: targets, kernels and the environment.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "support/child.h"
#include "support/run.h"
#include "threads/shuffled_pool.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kShapes = {
    "all n2 h9 w11 c20 k24 fixed pSAME",
    "all n2 h9 w8 c6 k4 g2 r3x3 d2x1 pSAME NCHW",
    "all n1 h20 w22 c3 k5 r5x7",
};

std::vector<Problem> problems() { return expand_all(kShapes); }

Plan make_plan(const convgrad_context *context, const Problem &problem) {
  const Layouts layouts = layouts_of(problem);
  const convgrad_tensor a = layouts.first.tensor(nullptr);
  const convgrad_tensor b = layouts.second.tensor(nullptr);
  const convgrad_tensor c = layouts.result.tensor(nullptr);
  const convgrad_conv2d_attrs attrs = problem.attrs();
  convgrad_plan *plan = nullptr;
  convgrad_plan_create(context, problem.op, &attrs, &a, &b, &c, &plan);
  return Plan(plan);
}

const convgrad_kernel_info *find_kernel(const std::string &name) {
  for (const convgrad_kernel_info *kernel : all_kernels()) {
    if (name == kernel->name) return kernel;
  }
  return nullptr;
}

bool is_usable(const std::string &target) {
  const std::vector<std::string> targets = usable_targets();
  return std::find(targets.begin(), targets.end(), target) != targets.end();
}

class Targets : public ::testing::TestWithParam<std::string> {};

TEST_P(Targets, TheForcedOneRuns) {
  const std::string target = GetParam();
  convgrad_context_options options = convgrad_context_options_default();
  options.target = target.c_str();
  convgrad_context *raw = nullptr;
  const convgrad_status status = convgrad_context_create(&options, &raw);
  const Context context(raw);
  if (!is_usable(target)) {
    EXPECT_EQ(status, CONVGRAD_UNSUPPORTED);
    EXPECT_EQ(raw, nullptr);
    EXPECT_NE(std::string(convgrad_last_error()).find(target), std::string::npos) << convgrad_last_error();
    tally().add_skipped(target);
    GTEST_SKIP() << "this machine cannot run " << target << ", and the context said so: " << convgrad_last_error();
  }
  ASSERT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
  Runner runner;
  for (const Problem &problem : problems()) {
    const Data data = integer_data(problem, 1);
    const Outcome outcome = runner.run(context.get(), problem, data.first, data.second);
    ASSERT_TRUE(equals_expected(outcome, data.expected, {&problem, "", 1, 0}));
    const convgrad_kernel_info *kernel = find_kernel(outcome.kernel);
    ASSERT_NE(kernel, nullptr) << outcome.kernel;
    EXPECT_EQ(kernel->target, target) << problem.to_string();
    EXPECT_NE(outcome.kernel.find(target), std::string::npos) << outcome.kernel;
    EXPECT_EQ(kernel->op, problem.op);
    tally().add_kernel(outcome.kernel);
    ++tally().problems;
  }
}

// By the environment, in a process of its own.
TEST_P(Targets, TheEnvironmentForcesOne) {
  const std::string target = GetParam();
  if (!is_usable(target)) GTEST_SKIP() << "this machine cannot run " << target;
  const ChildResult child = run_in_child({{"CONVGRAD_TARGET", target}}, [&] {
    for (const Problem &problem : problems()) {
      const Plan plan = make_plan(nullptr, problem);  // the default context reads it too
      std::printf("%s: %s\n", problem.to_string().c_str(), convgrad_plan_kernel(plan.get()));
      const convgrad_kernel_info *kernel = find_kernel(convgrad_plan_kernel(plan.get()));
      if (kernel == nullptr || kernel->target != target) return 1;
    }
    return 0;
  });
  EXPECT_EQ(child.exit_code, 0) << child.output;
}

INSTANTIATE_TEST_SUITE_P(Targets, Targets, ::testing::ValuesIn(all_targets()),
                         [](const ::testing::TestParamInfo<std::string> &info) { return info.param; });

TEST(Dispatch, ATargetThatThisMachineLacksIsUnsupported) {
  std::vector<std::string> missing;
  for (const std::string &target : all_targets()) {
    if (!is_usable(target)) missing.push_back(target);
  }
  if (missing.empty()) GTEST_SKIP() << "this machine has every target of the build";
  for (const std::string &target : missing) {
    convgrad_context_options options = convgrad_context_options_default();
    options.target = target.c_str();
    convgrad_context *context = nullptr;
    EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_UNSUPPORTED);
    EXPECT_EQ(context, nullptr);
    for (const convgrad_kernel_info *kernel : all_kernels()) {
      if (kernel->target != target) continue;
      EXPECT_EQ(kernel->usable_here, 0);
      EXPECT_EQ(make_context(kernel->name, 1), nullptr);
    }
  }
}

TEST(Dispatch, AnUnknownTargetIsInvalid) {
  for (const char *target : {"x86_64_avx1024", "X86_64_AVX2", "x86_64_avx2 ", "x86_64"}) {
    convgrad_context_options options = convgrad_context_options_default();
    options.target = target;
    convgrad_context *context = nullptr;
    EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_INVALID_ARGUMENT) << target;
    EXPECT_EQ(context, nullptr);
    EXPECT_NE(std::string(convgrad_last_error()).find(target), std::string::npos) << convgrad_last_error();
  }
}

TEST(Dispatch, ABadTargetInTheEnvironmentFailsEveryCall) {
  const ChildResult child = run_in_child({{"CONVGRAD_TARGET", "no_such_target"}}, [] {
    convgrad_context *context = nullptr;
    if (convgrad_context_create(nullptr, &context) != CONVGRAD_INVALID_ARGUMENT || context != nullptr) return 1;
    const Problem problem = problems().front();
    for (int i = 0; i < 2; ++i) {
      Runner runner;
      const Data data = integer_data(problem, 1);
      RunOptions how;
      how.entry = i == 0 ? Entry::kFunction : Entry::kPlan;
      const Outcome outcome = runner.run(nullptr, problem, data.first, data.second, how);
      std::printf("%s\n", outcome.message.c_str());
      if (outcome.status != CONVGRAD_INVALID_ARGUMENT || !outcome.damage.empty()) return 2 + i;
    }
    // A context that names its target does not look at the environment.
    convgrad_context_options options = convgrad_context_options_default();
    const std::string target = usable_targets().front();
    options.target = target.c_str();
    return make_context(options) == nullptr ? 4 : 0;
  });
  EXPECT_EQ(child.exit_code, 0) << child.output;
  EXPECT_NE(child.output.find("no_such_target"), std::string::npos) << child.output;
}

TEST(Dispatch, AnUnknownKernelIsInvalid) {
  convgrad_context_options options = convgrad_context_options_default();
  options.kernel = "conv2d_f32_no_such_kernel";
  convgrad_context *context = nullptr;
  EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(context, nullptr);
  EXPECT_NE(std::string(convgrad_last_error()).find("conv2d_f32_no_such_kernel"), std::string::npos);
}

TEST(Dispatch, AForcedKernelOfAnotherOpIsUnsupported) {
  for (const Problem &problem : problems()) {
    for (const convgrad_kernel_info *kernel : all_kernels()) {
      if (kernel->usable_here == 0) continue;
      const Context context = make_context(kernel->name, 1);
      ASSERT_NE(context, nullptr) << convgrad_last_error();
      const Plan plan = make_plan(context.get(), problem);
      if (kernel->op != problem.op) {
        EXPECT_EQ(plan, nullptr) << kernel->name << " for " << problem.to_string();
      } else if (plan != nullptr) {
        EXPECT_STREQ(convgrad_plan_kernel(plan.get()), kernel->name);
      } else {
        EXPECT_NE(std::string(convgrad_last_error()).find(kernel->name), std::string::npos) << convgrad_last_error();
      }
      ++tally().problems;
    }
  }
}

TEST(Dispatch, AKernelAndItsTargetMayBothBeNamed) {
  for (const convgrad_kernel_info *kernel : usable_kernels_of(CONVGRAD_OP_CONV2D)) {
    convgrad_context_options options = convgrad_context_options_default();
    options.kernel = kernel->name;
    options.target = kernel->target;
    EXPECT_NE(make_context(options), nullptr) << convgrad_last_error();
  }
}

// How many tasks an injected parallel_for was handed at most.
int64_t most_tasks(int32_t num_threads) {
  ShuffledPool pool(1);
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = num_threads;
  options.parallel_for = ShuffledPool::parallel_for;
  options.pool = &pool;
  const Context context = make_context(options);
  Runner runner;
  for (const Problem &problem : problems()) {
    const Data data = integer_data(problem, 1);
    const Outcome outcome = runner.run(context.get(), problem, data.first, data.second);
    if (!equals_expected(outcome, data.expected, {&problem, "", 1, num_threads})) return -1;
  }
  return pool.most_tasks();
}

TEST(Environment, NumThreads) {
  EXPECT_EQ(run_in_child({{"CONVGRAD_NUM_THREADS", "3"}}, [] { return static_cast<int>(most_tasks(0)); }).exit_code, 3);
  // What the options say comes first.
  EXPECT_EQ(run_in_child({{"CONVGRAD_NUM_THREADS", "3"}}, [] { return static_cast<int>(most_tasks(2)); }).exit_code, 2);
  for (const char *bad : {"x", "-1", "3x", "99999999999999999999"}) {
    const ChildResult child = run_in_child({{"CONVGRAD_NUM_THREADS", bad}}, [] {
      convgrad_context *context = nullptr;
      const convgrad_status status = convgrad_context_create(nullptr, &context);
      std::printf("%s\n", convgrad_last_error());
      return status == CONVGRAD_INVALID_ARGUMENT && context == nullptr ? 0 : 1;
    });
    EXPECT_EQ(child.exit_code, 0) << bad << ": " << child.output;
    EXPECT_NE(child.output.find("CONVGRAD_NUM_THREADS"), std::string::npos) << child.output;
  }
}

TEST(Environment, StrictChoosesDirectKernels) {
  std::vector<Problem> all = problems();
  std::string error;
  const std::vector<Problem> fit_for_winograd = expand_shapes("all n4 h28 w28 c64 k64 r3x3 pSAME", &error);
  all.insert(all.end(), fit_for_winograd.begin(), fit_for_winograd.end());
  // How many problems a Winograd kernel is chosen for, on one target; negative: none is chosen for some problem.
  const auto winograd_choices = [&](const char *target, int32_t strict) {
    convgrad_context_options options = convgrad_context_options_default();
    options.strict = strict;
    options.target = target;
    const Context context = make_context(options);
    int choices = 0;
    for (const Problem &problem : all) {
      const Plan plan = make_plan(context.get(), problem);
      const convgrad_kernel_info *kernel = plan == nullptr ? nullptr : find_kernel(convgrad_plan_kernel(plan.get()));
      if (kernel == nullptr) return -1;
      choices += is_winograd(kernel->name);
    }
    return choices;
  };
  for (const std::string &target : usable_targets()) {
    const std::vector<const convgrad_kernel_info *> kernels = all_kernels();
    const bool has_winograd = std::any_of(kernels.begin(), kernels.end(), [&](const convgrad_kernel_info *kernel) {
      return kernel->target == target && is_winograd(kernel->name);
    });
    const int choices = winograd_choices(target.c_str(), 0);
    EXPECT_GE(choices, 0) << target << ": " << convgrad_last_error();
    EXPECT_EQ(choices > 0, has_winograd) << target;
    EXPECT_EQ(winograd_choices(target.c_str(), 1), 0) << target << ": " << convgrad_last_error();
    const ChildResult child =
        run_in_child({{"CONVGRAD_STRICT", "1"}}, [&] { return winograd_choices(target.c_str(), 0) == 0 ? 0 : 1; });
    EXPECT_EQ(child.exit_code, 0) << target;
  }
}

TEST(Environment, VerboseTellsTheRowsAndTheWinner) {
  for (const Problem &problem : problems()) {
    std::string chosen;
    {
      // Not the default context: the children of other tests make theirs, by their own environment.
      const Context context = make_context("", 1);
      const Plan plan = make_plan(context.get(), problem);
      ASSERT_NE(plan, nullptr) << convgrad_last_error();
      chosen = convgrad_plan_kernel(plan.get());
    }
    const auto plan_it = [&] {
      const Context context = make_context("", 1);
      return make_plan(context.get(), problem) == nullptr ? 1 : 0;
    };
    const ChildResult child = run_in_child({{"CONVGRAD_VERBOSE", "1"}}, plan_it);
    EXPECT_EQ(child.exit_code, 0);
    EXPECT_NE(child.output.find(chosen), std::string::npos) << child.output;
    EXPECT_NE(child.output.find("convgrad: " + problem.to_string() + " runs " + chosen), std::string::npos)
        << child.output;
    // The winner is the last row that is named, and the rows before it carry a reason.
    const size_t last_line = child.output.find_last_not_of('\n') == std::string::npos
                                 ? 0
                                 : child.output.rfind('\n', child.output.find_last_not_of('\n')) + 1;
    EXPECT_NE(child.output.find(chosen, last_line), std::string::npos) << child.output;
    // Nothing is printed unasked.
    EXPECT_EQ(run_in_child({}, plan_it).output, "");
    EXPECT_EQ(run_in_child({{"CONVGRAD_VERBOSE", "0"}}, plan_it).output, "");
  }
}

// A problem that the rows of fixed filters cannot take: each says why, before the generic one runs.
TEST(Environment, VerboseTellsWhyRowsWereRefused) {
  std::string error;
  for (const Problem &problem : expand_shapes("all n1 h20 w22 c3 k5 r5x7 d2x2", &error)) {
    const ChildResult child = run_in_child(
        {{"CONVGRAD_VERBOSE", "1"}}, [&] { return make_plan(make_context("", 1).get(), problem) == nullptr ? 1 : 0; });
    EXPECT_EQ(child.exit_code, 0);
    int named = 0;
    for (const convgrad_kernel_info *kernel : usable_kernels_of(problem.op)) {
      if (std::string(kernel->algorithm) == "generic") continue;
      const std::string name = std::string(kernel->name) + ":";
      const size_t at = child.output.find(name);
      if (at == std::string::npos) continue;
      ++named;
      const size_t reason = at + name.size();
      const std::string line = child.output.substr(reason, child.output.find('\n', reason) - reason);
      EXPECT_NE(line.find("refused: "), std::string::npos) << name << line;
      EXPECT_GT(line.size(), std::string(" refused: ").size() + 10) << "no reason: " << line;
    }
    EXPECT_GT(named, 0) << child.output;
    EXPECT_NE(child.output.find("filter"), std::string::npos) << child.output;
  }
}

}  // namespace
}  // namespace convgrad::test
