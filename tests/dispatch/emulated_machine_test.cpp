// On a CPU that lacks targets of the build, which an emulator plays: --usable names those that it can run, and
// --lacks the features that it has not. An instruction that it lacks ends the process.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/run.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kShapes = {
    "all n2 h9 w11 c20 k24 fixed pSAME",
    "all n2 h9 w8 c6 k4 g2 r3x3 d2x1 pSAME NCHW",
};

bool contains(const std::vector<std::string> &all, const std::string &one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

nlohmann::json description(const std::string &target) {
  for (const char *folder : {CONVGRAD_SCHEDULES_DIR, CONVGRAD_TEST_TARGETS_DIR}) {
    std::ifstream file(std::string(folder) + "/" + target + "/target.json");
    if (file) return nlohmann::json::parse(file);
  }
  ADD_FAILURE() << "no target.json of " << target;
  return {};
}

std::vector<std::string> features_of(const std::string &target) { return description(target).at("features"); }

// Whether the message says that the machine lacks features of the target: some, of those it needs all that this CPU is
// known to lack, and none that it does not need.
::testing::AssertionResult names_what_is_missing(const std::string &message, const std::string &target) {
  const std::string lacks = "target " + target + " needs ";
  const size_t at = message.find(lacks);
  const size_t list = message.find("; this machine lacks ", at);
  if (at == std::string::npos || list == std::string::npos) return ::testing::AssertionFailure() << message;
  std::istringstream words(message.substr(list + std::string("; this machine lacks ").size()));
  std::vector<std::string> named;
  for (std::string word; words >> word;) named.push_back(word);
  const std::vector<std::string> needed = features_of(target);
  if (named.empty()) return ::testing::AssertionFailure() << "no feature in: " << message;
  for (const std::string &feature : named) {
    if (!contains(needed, feature)) return ::testing::AssertionFailure() << feature << " is not needed: " << message;
  }
  for (const std::string &feature : needed) {
    if (contains(test_options().lacks, feature) && !contains(named, feature)) {
      return ::testing::AssertionFailure() << feature << " is not named: " << message;
    }
  }
  return ::testing::AssertionSuccess();
}

std::vector<std::string> missing_targets() {
  std::vector<std::string> missing;
  for (const std::string &target : all_targets()) {
    if (!contains(test_options().usable, target)) missing.push_back(target);
  }
  return missing;
}

std::string target_of(const std::string &kernel_name) {
  for (const convgrad_kernel_info *kernel : all_kernels()) {
    if (kernel_name == kernel->name) return kernel->target;
  }
  return "";
}

// Which the library prefers; "": none.
std::string best_target() {
  std::string best;
  int priority = 0;  // of targets that only run when asked for
  for (const std::string &target : usable_targets()) {
    const int its_priority = description(target).at("priority");
    if (its_priority > priority) {
      best = target;
      priority = its_priority;
    }
  }
  return best;
}

std::string lowest_target() {
  std::string lowest;
  int priority = 0;
  for (const std::string &target : all_targets()) {
    const int its_priority = description(target).at("priority");
    if (its_priority > 0 && (lowest.empty() || its_priority < priority)) {
      lowest = target;
      priority = its_priority;
    }
  }
  return lowest;
}

TEST(EmulatedMachine, RunsTheTargetsItHas) {
  std::vector<std::string> expected;
  for (const std::string &target : all_targets()) {
    if (contains(test_options().usable, target)) expected.push_back(target);
  }
  EXPECT_EQ(usable_targets(), expected);
  if (missing_targets().empty()) GTEST_SKIP() << "this CPU has every target of the build";
}

TEST(EmulatedMachine, AMissingTargetIsUnsupported) {
  for (const std::string &target : missing_targets()) {
    convgrad_context_options options = convgrad_context_options_default();
    options.target = target.c_str();
    convgrad_context *context = nullptr;
    EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_UNSUPPORTED);
    EXPECT_EQ(context, nullptr);
    EXPECT_TRUE(names_what_is_missing(convgrad_last_error(), target));
    tally().add_skipped(target);
  }
}

TEST(EmulatedMachine, AKernelOfAMissingTargetIsUnsupported) {
  for (const convgrad_kernel_info *kernel : all_kernels()) {
    EXPECT_EQ(kernel->usable_here != 0, contains(test_options().usable, kernel->target)) << kernel->name;
    convgrad_context_options options = convgrad_context_options_default();
    options.kernel = kernel->name;
    convgrad_context *raw = nullptr;
    const convgrad_status status = convgrad_context_create(&options, &raw);
    const Context context(raw);
    if (kernel->usable_here != 0) {
      EXPECT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
      continue;
    }
    EXPECT_EQ(status, CONVGRAD_UNSUPPORTED) << kernel->name;
    EXPECT_EQ(context, nullptr);
    EXPECT_NE(std::string(convgrad_last_error()).find(kernel->name), std::string::npos) << convgrad_last_error();
    EXPECT_TRUE(names_what_is_missing(convgrad_last_error(), kernel->target));
  }
}

// The library's own choice: the best that is there, or where nothing is a refusal of every call.
TEST(EmulatedMachine, TheLibraryChoosesWhatTheCpuHas) {
  const std::string best = best_target();
  const Context context = make_context("", 2);
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  for (const Problem &problem : expand_all(kShapes)) {
    const Layouts layouts = layouts_of(problem);
    const convgrad_tensor a = layouts.first.tensor(nullptr);
    const convgrad_tensor b = layouts.second.tensor(nullptr);
    const convgrad_tensor c = layouts.result.tensor(nullptr);
    const convgrad_conv2d_attrs attrs = problem.attrs();
    convgrad_plan *raw = nullptr;
    const convgrad_status status = convgrad_plan_create(context.get(), problem.op, &attrs, &a, &b, &c, &raw);
    const Plan plan(raw);
    ++tally().problems;
    if (best.empty()) {
      EXPECT_EQ(status, CONVGRAD_UNSUPPORTED) << problem.to_string();
      EXPECT_EQ(plan, nullptr);
      EXPECT_TRUE(names_what_is_missing(convgrad_last_error(), lowest_target())) << problem.to_string();
    } else {
      ASSERT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
      EXPECT_EQ(target_of(convgrad_plan_kernel(raw)), best) << convgrad_plan_kernel(raw);
      tally().add_kernel(convgrad_plan_kernel(raw));
    }
  }
}

TEST(EmulatedMachine, CallsComputeOrAreRefused) {
  const std::string best = best_target();
  const Context own = make_context("", 2);
  ASSERT_NE(own, nullptr) << convgrad_last_error();
  Runner runner;
  for (const Problem &problem : expand_all(kShapes)) {
    const Data data = integer_data(problem, 21);
    for (const convgrad_context *context :
         {static_cast<const convgrad_context *>(own.get()), static_cast<const convgrad_context *>(nullptr)}) {
      for (const Entry entry : {Entry::kPlan, Entry::kFunction}) {
        RunOptions how;
        how.entry = entry;
        const Outcome outcome = runner.run(context, problem, data.first, data.second, how);
        ++tally().problems;
        if (best.empty()) {
          EXPECT_EQ(outcome.status, CONVGRAD_UNSUPPORTED) << problem.to_string();
          EXPECT_EQ(outcome.damage, "");
          EXPECT_TRUE(names_what_is_missing(outcome.message, lowest_target())) << problem.to_string();
          continue;
        }
        ASSERT_TRUE(equals_expected(outcome, data.expected, {&problem, "", 21, 2}));
      }
    }
  }
}

}  // namespace
}  // namespace convgrad::test
