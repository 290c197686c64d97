// A kernel that fails, which none of the build's does: what a call answers then, and what it leaves.
#include "prepared_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "counting_allocator.h"
#include "example_problem.h"

extern "C" {
void *halide_malloc(void *user_context, size_t bytes);
void halide_free(void *user_context, void *pointer);
int halide_do_par_for(void *user_context, int (*task)(void *, int, uint8_t *), int min, int size, uint8_t *closure);
}

namespace convgrad {
namespace {

using ::testing::HasSubstr;

constexpr int kThreads = 4, kBatch = 8, kIndices = 90;
constexpr size_t kScratch = 1024;
constexpr int kError = -77;

// What the kernel below does: a kernel is a function and knows nothing else.
struct Behaviour {
  int fails_at_run = -1;    // of those of a call
  int fails_at_index = -1;  // of its parallel loop
  std::atomic<int> runs{0}, indices{0}, without_scratch{0};
} * behaviour;

// Takes all the scratch that a task has, and keeps it where it fails.
bool take_scratch(void *user_context, void **block) {
  *block = halide_malloc(user_context, kScratch);
  if (*block == nullptr) {
    ++behaviour->without_scratch;
    return false;
  }
  memset(*block, 123, kScratch);
  return true;
}

int body(void *user_context, int index, uint8_t *) {
  void *block;
  if (!take_scratch(user_context, &block) || index == behaviour->fails_at_index) return kError;
  ++behaviour->indices;
  halide_free(user_context, block);
  return 0;
}

int run(void **arguments) {
  void *const user_context = *static_cast<void **>(arguments[0]);
  void *block;
  if (behaviour->runs++ == behaviour->fails_at_run) {
    take_scratch(user_context, &block);
    return kError;
  }
  return halide_do_par_for(user_context, body, 0, kIndices, nullptr);
}

class FailingKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    behaviour = &how;
    convgrad_context_options options = convgrad_context_options_default();
    options.num_threads = kThreads;
    allocator.install(&options);
    ASSERT_EQ(convgrad_context_create(&options, &context), CONVGRAD_OK) << convgrad_last_error();
    example.input.shape[0] = example.output.shape[0] = kBatch;
    const convgrad_tensor *const tensors[3] = {&example.input, &example.filter, &example.output};
    ASSERT_EQ(prepare_call(conv2d_op, context->settings, &example.attrs, tensors, &call), CONVGRAD_OK)
        << convgrad_last_error();
    real = call.kernel;
    fake = *real;
    fake.name = "one_that_fails";
    fake.run = run;
    fake.scratch_bytes = kScratch + scratch_layout::kAroundBlock;
    fake.packed_filter_channels = 0;
    bind_kernel(fake, &call);
    live = allocator.live;
  }
  void TearDown() override { convgrad_context_destroy(context); }

  convgrad_status run_once(void *workspace = nullptr) {
    const void *const data[3] = {input.data(), filter.data(), output.data()};
    return run_call(call, data, workspace);
  }

  void expect_failure(void *workspace = nullptr) {
    EXPECT_EQ(run_once(workspace), CONVGRAD_INTERNAL);
    EXPECT_THAT(convgrad_last_error(), HasSubstr("conv2d: kernel one_that_fails failed with Halide's error -77"));
    EXPECT_EQ(how.without_scratch, 0);
    EXPECT_EQ(allocator.live, live) << "the scratch was not given back";
    expect_fit(workspace);
  }

  // The next calls compute, with all of their scratch and with all threads.
  void expect_fit(void *workspace) {
    how.fails_at_run = how.fails_at_index = -1;
    how.runs = how.indices = 0;
    EXPECT_EQ(run_once(workspace), CONVGRAD_OK) << convgrad_last_error();
    EXPECT_EQ(how.indices, how.runs * kIndices);
    EXPECT_EQ(how.without_scratch, 0);
    EXPECT_EQ(allocator.live, live);

    bind_kernel(*real, &call);
    std::fill(output.begin(), output.end(), -1.0f);
    EXPECT_EQ(run_once(), CONVGRAD_OK) << convgrad_last_error();
    EXPECT_EQ(output[0], 4.0f);  // of ones: the taps that meet the image
    EXPECT_EQ(output[24], 9.0f);
    EXPECT_EQ(allocator.live, live);

    std::atomic<int> arrived{0};
    const auto wait_for_all = [](void *arg, int64_t) {
      auto *count = static_cast<std::atomic<int> *>(arg);
      ++*count;
      while (count->load() < kThreads) std::this_thread::yield();  // each thread has one
    };
    run_tasks(context->settings.parallel, wait_for_all, &arrived, kThreads);
    EXPECT_EQ(arrived, kThreads);
  }

  Behaviour how;
  CountingAllocator allocator;
  Example example;
  convgrad_context *context = nullptr;
  PreparedCall call;
  const Kernel *real = nullptr;
  Kernel fake;
  int live = 0;
  std::vector<float> input = std::vector<float>(kBatch * 25, 1.0f), filter = std::vector<float>(18, 1.0f),
                     output = std::vector<float>(kBatch * 50, -1.0f);
};

TEST_F(FailingKernel, OutsideOfTasks) {
  how.fails_at_run = 0;
  expect_failure();
}

TEST_F(FailingKernel, InATask) {
  how.fails_at_index = 20;
  expect_failure();
}

TEST_F(FailingKernel, InItsFirstTask) {
  how.fails_at_index = 0;
  expect_failure();
}

TEST_F(FailingKernel, InAWorkspaceOfTheApplications) {
  std::vector<char> memory(workspace_size(call) + CONVGRAD_WORKSPACE_ALIGNMENT);
  void *workspace = memory.data();
  size_t space = memory.size();
  ASSERT_NE(std::align(CONVGRAD_WORKSPACE_ALIGNMENT, workspace_size(call), workspace, space), nullptr);
  how.fails_at_index = 20;
  expect_failure(workspace);
}

// Each image is a piece, which threads share.
TEST_F(FailingKernel, InAPiece) {
  call.pieces.slices.size[1] = 1;
  call.pieces.slices.count[1] = kBatch;
  ASSERT_EQ(call.pieces.count(), kBatch);
  how.fails_at_run = 3;
  call.settings.parallel.num_threads = 1;
  EXPECT_EQ(run_once(), CONVGRAD_INTERNAL);
  EXPECT_EQ(how.runs, 4) << "the others are not begun";
  call.settings.parallel.num_threads = kThreads;
  how.runs = 0;
  expect_failure();
}

TEST_F(FailingKernel, InAGroup) {
  example.input.shape[3] = 2;  // two groups of one channel
  input.assign(kBatch * 50, 1.0f);
  const convgrad_tensor *const tensors[3] = {&example.input, &example.filter, &example.output};
  ASSERT_EQ(prepare_call(conv2d_op, context->settings, &example.attrs, tensors, &call), CONVGRAD_OK)
      << convgrad_last_error();
  bind_kernel(fake, &call);
  how.fails_at_run = 0;
  EXPECT_EQ(run_once(), CONVGRAD_INTERNAL);
  EXPECT_EQ(how.runs, 1) << "the others are not begun";
  how.runs = 0;
  expect_failure();
}

}  // namespace
}  // namespace convgrad
