// The gradient problems of TensorFlow's own tests, by every kernel that accepts them and by the library's own choice.
#include <gtest/gtest.h>

#include "support/kernel_fixture.h"
#include "support/tensorflow_cases.h"

namespace convgrad::test {
namespace {

const std::vector<TensorFlowCase> &cases() {
  static const std::vector<TensorFlowCase> loaded = load_tensorflow_cases();
  return loaded;
}

::testing::AssertionResult judge(const TensorFlowCase &one, const Outcome &outcome) {
  if (outcome.status != CONVGRAD_OK) {
    return ::testing::AssertionFailure() << convgrad_status_string(outcome.status) << ": " << outcome.message;
  }
  if (!outcome.damage.empty()) return ::testing::AssertionFailure() << outcome.damage;
  return agrees_with(one, without_rounding(outcome.result, outcome.kernel));
}

TEST(TensorFlowCases, ChosenByTheLibrary) {
  ASSERT_EQ(cases().size(), 257u);
  const Context context = make_context("", 2);
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  Runner runner;
  for (const TensorFlowCase &one : cases()) {
    for (const Problem &problem : affordable(in_each_dtype({one.problem}))) {
      for (Entry entry : {Entry::kPlan, Entry::kFunction}) {
        RunOptions options;
        options.entry = entry;
        const Outcome outcome = runner.run(context.get(), problem, one.first, one.second, options);
        EXPECT_TRUE(judge(one, outcome)) << one.name << "\n" << problem.to_string() << "\n" << outcome.kernel;
      }
      ++tally().problems;
    }
  }
}

class TensorFlowCasesByKernel : public KernelTest {};

TEST_P(TensorFlowCasesByKernel, Agree) {
  int accepted = 0;
  for (const TensorFlowCase &one : cases()) {
    for (const Problem &problem : mine({one.problem})) {
      Outcome outcome;
      if (!run(problem, one.first, one.second, &outcome)) continue;
      ++accepted;
      ASSERT_TRUE(judge(one, outcome)) << one.name << "\n" << problem.to_string() << "\n" << kernel().name;
    }
  }
  // The list holds one backprop_filter problem only with a 1x1 filter and stride 2 in NHWC.
  EXPECT_GE(accepted, 1);
}

INSTANTIATE_TEST_SUITE_P(BackpropInput, TensorFlowCasesByKernel,
                         ::testing::ValuesIn(kernels_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT)), kernel_test_name);
INSTANTIATE_TEST_SUITE_P(BackpropFilter, TensorFlowCasesByKernel,
                         ::testing::ValuesIn(kernels_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER)), kernel_test_name);

}  // namespace
}  // namespace convgrad::test
