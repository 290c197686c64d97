#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "counting_allocator.h"
#include "example_problem.h"

namespace convgrad {
namespace {

using ::testing::HasSubstr;

class PlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options.num_threads = 1;
    ASSERT_EQ(convgrad_context_create(&options, &context), CONVGRAD_OK) << convgrad_last_error();
  }
  void TearDown() override {
    convgrad_plan_destroy(plan);
    convgrad_context_destroy(context);
  }

  convgrad_status create(convgrad_op op = CONVGRAD_OP_CONV2D_BACKPROP_INPUT) {
    convgrad_plan_destroy(plan);
    plan = reinterpret_cast<convgrad_plan *>(this);
    const convgrad_status status =
        convgrad_plan_create(context, op, &example.attrs, &example.filter, &example.output, &example.input, &plan);
    EXPECT_EQ(plan == nullptr, status != CONVGRAD_OK);
    return status;
  }
  convgrad_status run(void *workspace = nullptr) {
    return convgrad_plan_run(plan, filter.data(), output.data(), input.data(), workspace);
  }
  // Of ones: an element of the input's gradient counts the taps that meet it, 2 output channels each.
  void expect_sums() {
    EXPECT_EQ(input[0], 8.0f);
    EXPECT_EQ(input[12], 18.0f);
  }

  Example example;
  convgrad_context_options options = convgrad_context_options_default();
  convgrad_context *context = nullptr;
  convgrad_plan *plan = nullptr;
  std::vector<float> filter = std::vector<float>(18, 1.0f), output = std::vector<float>(50, 1.0f),
                     input = std::vector<float>(25, -1.0f);
};

TEST_F(PlanTest, RunsMoreThanOnceAndOutlivesItsContext) {
  ASSERT_EQ(create(), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_STRNE(convgrad_plan_kernel(plan), "");
  convgrad_context_destroy(context);
  context = nullptr;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(run(), CONVGRAD_OK) << convgrad_last_error();
    expect_sums();
  }
}

TEST_F(PlanTest, ThreadsOutliveTheContextToo) {
  convgrad_context_destroy(context);
  options.num_threads = 3;
  ASSERT_EQ(convgrad_context_create(&options, &context), CONVGRAD_OK);
  ASSERT_EQ(create(), CONVGRAD_OK) << convgrad_last_error();
  convgrad_context_destroy(context);
  context = nullptr;
  ASSERT_EQ(run(), CONVGRAD_OK) << convgrad_last_error();
  expect_sums();
}

TEST_F(PlanTest, Workspace) {
  ASSERT_EQ(create(), CONVGRAD_OK) << convgrad_last_error();
  const size_t bytes = convgrad_plan_workspace_size(plan);
  EXPECT_EQ(bytes % CONVGRAD_WORKSPACE_ALIGNMENT, 0u);
  void *workspace = aligned_alloc(CONVGRAD_WORKSPACE_ALIGNMENT, bytes + CONVGRAD_WORKSPACE_ALIGNMENT);
  ASSERT_EQ(run(workspace), CONVGRAD_OK) << convgrad_last_error();
  expect_sums();
  EXPECT_EQ(run(static_cast<char *>(workspace) + 32), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("workspace"));
  EXPECT_THAT(convgrad_last_error(), HasSubstr("64"));
  free(workspace);
}

TEST_F(PlanTest, EverythingIsCheckedWhenItIsMade) {
  example.output = tensor_of({1, 3, 3, 2});
  EXPECT_EQ(create(), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("conv2d_backprop_input: out_backprop"));
  example = Example();
  for (convgrad_op op : {-1, 3}) {
    EXPECT_EQ(create(op), CONVGRAD_INVALID_ARGUMENT);
    EXPECT_THAT(convgrad_last_error(), HasSubstr("op is " + std::to_string(op)));
  }
  EXPECT_EQ(convgrad_plan_create(context, CONVGRAD_OP_CONV2D, &example.attrs, &example.input, &example.filter,
                                 &example.output, nullptr),
            CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("plan is NULL"));
  EXPECT_EQ(convgrad_plan_create(context, CONVGRAD_OP_CONV2D, &example.attrs, nullptr, &example.filter, &example.output,
                                 &plan),
            CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("conv2d: input is NULL"));
}

TEST_F(PlanTest, PointersAreCheckedWhenItRuns) {
  ASSERT_EQ(create(), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_EQ(convgrad_plan_run(plan, nullptr, output.data(), input.data(), nullptr), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("filter has NULL data"));
  EXPECT_EQ(convgrad_plan_run(plan, filter.data(), output.data(), output.data(), nullptr), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("overlaps out_backprop"));
  EXPECT_EQ(input, std::vector<float>(25, -1.0f));
}

TEST_F(PlanTest, NullPlans) {
  EXPECT_EQ(convgrad_plan_run(nullptr, nullptr, nullptr, nullptr, nullptr), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("plan is NULL"));
  EXPECT_STREQ(convgrad_plan_kernel(nullptr), "");
  EXPECT_EQ(convgrad_plan_workspace_size(nullptr), 0u);
  convgrad_plan_destroy(nullptr);
}

TEST_F(PlanTest, NothingToAddUpRunsNoKernel) {
  example.filter = tensor_of({3, 3, 1, 0});
  example.output = tensor_of({1, 5, 5, 0});
  ASSERT_EQ(create(), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_STREQ(convgrad_plan_kernel(plan), "");
  EXPECT_EQ(convgrad_plan_workspace_size(plan), 0u);
  EXPECT_EQ(convgrad_plan_run(plan, nullptr, nullptr, input.data(), nullptr), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_EQ(input, std::vector<float>(25, 0.0f));
}

TEST_F(PlanTest, TooLargeForAKernelIsUnsupported) {
  // Kernels address 2^31 bytes; this input has more, and its output is as large.
  example.input = tensor_of({1, 1 << 15, 1 << 15, 1});
  example.output = tensor_of({1, 1 << 15, 1 << 15, 2});
  EXPECT_EQ(create(), CONVGRAD_UNSUPPORTED);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("conv2d_backprop_input: in_backprop spans 4294967296 bytes"));
}

TEST_F(PlanTest, AForcedKernelOfAnotherOpIsUnsupported) {
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
    const convgrad_kernel_info *kernel = convgrad_kernel_at(i);
    if (kernel->op != CONVGRAD_OP_CONV2D || !kernel->usable_here) continue;
    convgrad_context_destroy(context);
    options.kernel = kernel->name;
    ASSERT_EQ(convgrad_context_create(&options, &context), CONVGRAD_OK) << convgrad_last_error();
    EXPECT_EQ(create(), CONVGRAD_UNSUPPORTED);
    EXPECT_THAT(convgrad_last_error(), HasSubstr(kernel->name));
    return;
  }
  FAIL() << "no kernel of conv2d runs here";
}

TEST_F(PlanTest, TheNthAllocationFails) {
  CountingAllocator log;
  log.install(&options);
  convgrad_context_destroy(context);
  ASSERT_EQ(convgrad_context_create(&options, &context), CONVGRAD_OK);
  log.count = 0;
  log.fail_at = 0;
  EXPECT_EQ(create(), CONVGRAD_OUT_OF_MEMORY);
  EXPECT_EQ(log.live, 1);
  log.fail_at = -1;
  ASSERT_EQ(create(), CONVGRAD_OK) << convgrad_last_error();
  if (convgrad_plan_workspace_size(plan) > 0) {
    log.fail_at = log.count;
    EXPECT_EQ(run(), CONVGRAD_OUT_OF_MEMORY);
    EXPECT_EQ(input, std::vector<float>(25, -1.0f)) << "written before the last check";
    log.fail_at = -1;
  }
  ASSERT_EQ(run(), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_EQ(log.live, 2);
  convgrad_plan_destroy(plan);
  convgrad_context_destroy(context);
  plan = nullptr;
  context = nullptr;
  EXPECT_EQ(log.live, 0);
}

}  // namespace
}  // namespace convgrad
