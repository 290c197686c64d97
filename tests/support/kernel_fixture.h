// A test that runs once for each kernel of the build, by its name; kernels that this machine cannot run are skipped.
#ifndef CONVGRAD_TESTS_SUPPORT_KERNEL_FIXTURE_H
#define CONVGRAD_TESTS_SUPPORT_KERNEL_FIXTURE_H

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "support/acceptance.h"
#include "support/run.h"

// GoogleTest prints parameters with this.
inline void PrintTo(const convgrad_kernel_info *kernel, std::ostream *out) { *out << kernel->name; }

namespace convgrad::test {

class KernelTest : public ::testing::TestWithParam<const convgrad_kernel_info *> {
 protected:
  void SetUp() override {
    if (GetParam()->usable_here == 0) {
      tally().add_skipped(GetParam()->name);
      make_context(GetParam()->name, 1);  // for its reason
      GTEST_SKIP() << "this machine cannot run " << GetParam()->name << ": " << convgrad_last_error();
    }
    tally().add_kernel(GetParam()->name);
  }

  const convgrad_kernel_info &kernel() const { return *GetParam(); }
  // A context that forces this kernel.
  const convgrad_context *context(int num_threads = 1) { return contexts_.get(kernel().name, num_threads); }
  Runner &runner() { return runner_; }

  // Those of the kernel's op, in its element type.
  std::vector<Problem> mine(const std::vector<Problem> &problems) const {
    std::vector<Problem> result;
    for (Problem problem : problems) {
      if (problem.op != kernel().op) continue;
      problem.dtype = kernel().dtype;
      result.push_back(problem);
    }
    return affordable(result);
  }

  // Runs the problem. An UNSUPPORTED answer is counted and gives false; it is one exactly where it should be.
  bool run(const Problem &problem, const std::vector<double> &first, const std::vector<double> &second,
           Outcome *outcome, const RunOptions &options = {}, int num_threads = 1) {
    *outcome = runner_.run(context(num_threads), problem, first, second, options);
    const std::string refusal = why_refused(facts_of(kernel().name), problem, device_of(kernel()) != "cpu");
    EXPECT_EQ(outcome->status == CONVGRAD_UNSUPPORTED, !refusal.empty())
        << kernel().name << ", " << problem.to_string() << ": expected "
        << (refusal.empty() ? "that it is accepted" : "a refusal: " + refusal) << "; " << outcome->message;
    if (outcome->status == CONVGRAD_UNSUPPORTED) {
      ++tally().refused;
      EXPECT_NE(outcome->message, "") << problem.to_string();
      EXPECT_EQ(outcome->damage, "") << problem.to_string();
      return false;
    }
    ++tally().problems;
    return true;
  }

 private:
  ContextCache contexts_;
  Runner runner_;
};

inline std::string kernel_test_name(const ::testing::TestParamInfo<const convgrad_kernel_info *> &info) {
  return info.param->name;
}

}  // namespace convgrad::test

// The suite once for each op: Conv2d/Suite.Test/<kernel>, BackpropInput/..., BackpropFilter/...
#define CONVGRAD_INSTANTIATE_PER_KERNEL(Suite)                                                                         \
  INSTANTIATE_TEST_SUITE_P(Conv2d, Suite, ::testing::ValuesIn(kernels_of(CONVGRAD_OP_CONV2D)), kernel_test_name);      \
  INSTANTIATE_TEST_SUITE_P(BackpropInput, Suite, ::testing::ValuesIn(kernels_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT)),   \
                           kernel_test_name);                                                                          \
  INSTANTIATE_TEST_SUITE_P(BackpropFilter, Suite, ::testing::ValuesIn(kernels_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER)), \
                           kernel_test_name)

#endif  // CONVGRAD_TESTS_SUPPORT_KERNEL_FIXTURE_H
