#include "context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "counting_allocator.h"
#include "example_problem.h"

namespace convgrad {
namespace {

using ::testing::HasSubstr;

class ContextTest : public ::testing::Test {
 protected:
  void TearDown() override { convgrad_context_destroy(context); }

  convgrad_status create() {
    convgrad_context_destroy(context);
    context = reinterpret_cast<convgrad_context *>(this);
    const convgrad_status status = convgrad_context_create(&options, &context);
    EXPECT_EQ(context == nullptr, status != CONVGRAD_OK);
    return status;
  }
  void expect_failure(convgrad_status status, std::initializer_list<const char *> texts) {
    EXPECT_EQ(create(), status);
    EXPECT_THAT(convgrad_last_error(), HasSubstr("context_create"));
    for (const char *text : texts) EXPECT_THAT(convgrad_last_error(), HasSubstr(text));
  }
  void expect_ok() { ASSERT_EQ(create(), CONVGRAD_OK) << convgrad_last_error(); }

  convgrad_context_options options = convgrad_context_options_default();
  convgrad_context *context = nullptr;
};

TEST_F(ContextTest, Defaults) {
  ASSERT_EQ(convgrad_context_create(nullptr, &context), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_GE(context->settings.parallel.num_threads, 1);
  EXPECT_EQ(convgrad_context_create(&options, nullptr), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("context is NULL"));
  convgrad_context_destroy(nullptr);
}

TEST_F(ContextTest, StructSize) {
  for (size_t size : {size_t{0}, size_t{5}, sizeof options - 1, sizeof options + 8}) {
    options.struct_size = size;
    expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.struct_size is", std::to_string(size).c_str()});
  }
  options.num_threads = 3;
  options.strict = 99;  // behind the end of the shorter struct
  options.struct_size = offsetof(convgrad_context_options, strict);
  expect_ok();
  EXPECT_EQ(context->settings.parallel.num_threads, 3);
}

TEST_F(ContextTest, NumThreads) {
  for (int32_t threads : {-1, 1025}) {
    options.num_threads = threads;
    expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.num_threads is", std::to_string(threads).c_str(), "1024"});
  }
  options.num_threads = 1;
  expect_ok();
  EXPECT_EQ(context->settings.threads, nullptr);
  options.num_threads = 4;
  expect_ok();
  ASSERT_NE(context->settings.threads, nullptr);
  EXPECT_EQ(thread_pool_workers(context->settings.threads), 3);
  options.parallel_for = [](void *, void (*)(void *, int64_t), void *, int64_t) {};
  expect_ok();
  EXPECT_EQ(context->settings.threads, nullptr) << "the application's threads are used instead";
}

TEST_F(ContextTest, NumThreadsFromTheEnvironment) {
  {
    ScopedEnvironment environment("CONVGRAD_NUM_THREADS", "7");
    expect_ok();
    EXPECT_EQ(context->settings.parallel.num_threads, 7);
    options.num_threads = 2;
    expect_ok();
    EXPECT_EQ(context->settings.parallel.num_threads, 2);
    options.num_threads = 0;
  }
  for (const char *value : {"0", "-3", "1025", "many", "2x", "99999999999999999999"}) {
    ScopedEnvironment environment("CONVGRAD_NUM_THREADS", value);
    expect_failure(CONVGRAD_INVALID_ARGUMENT, {"CONVGRAD_NUM_THREADS", value});
  }
}

TEST_F(ContextTest, StrictAndVerbose) {
  options.strict = 2;
  expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.strict is 2"});
  options.strict = 1;
  expect_ok();
  EXPECT_TRUE(context->settings.choice.strict);
  options.strict = 0;
  expect_ok();
  EXPECT_FALSE(context->settings.choice.strict);
  EXPECT_FALSE(context->settings.verbose);
  {
    ScopedEnvironment strict("CONVGRAD_STRICT", "1"), verbose("CONVGRAD_VERBOSE", "1");
    expect_ok();
    EXPECT_TRUE(context->settings.choice.strict);
    EXPECT_TRUE(context->settings.verbose);
  }
  for (const char *variable : {"CONVGRAD_STRICT", "CONVGRAD_VERBOSE"}) {
    ScopedEnvironment environment(variable, "yes");
    expect_failure(CONVGRAD_INVALID_ARGUMENT, {variable, "yes"});
  }
}

TEST_F(ContextTest, TargetsOutsideThisBuild) {
  for (const char *name : {"metal", "x86_64_of_the_future", ""}) {
    options.target = name;
    expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.target is", name, convgrad_kernel_at(0)->target});
  }
  options.target = nullptr;
  ScopedEnvironment environment("CONVGRAD_TARGET", "x86_64_of_the_future");
  expect_failure(CONVGRAD_INVALID_ARGUMENT, {"CONVGRAD_TARGET", "x86_64_of_the_future"});
}

TEST_F(ContextTest, EachTargetOfThisBuild) {
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
    const convgrad_kernel_info *kernel = convgrad_kernel_at(i);
    options.target = kernel->target;
    options.kernel = nullptr;
    if (kernel->usable_here) {
      expect_ok();
      EXPECT_STREQ(context->settings.choice.target->name, kernel->target);
    } else {
      const bool is_cuda = strncmp(kernel->target, "cuda", 4) == 0,
                 is_opencl = strncmp(kernel->target, "opencl", 6) == 0;
      expect_failure(CONVGRAD_UNSUPPORTED, {kernel->target, is_cuda     ? "CUDA"
                                                            : is_opencl ? "OpenCL"
                                                                        : "this machine lacks"});
    }
    options.target = nullptr;
    ScopedEnvironment environment("CONVGRAD_TARGET", kernel->target);
    EXPECT_EQ(create(), kernel->usable_here ? CONVGRAD_OK : CONVGRAD_UNSUPPORTED);
  }
  EXPECT_EQ(convgrad_kernel_at(convgrad_kernel_count()), nullptr);
  EXPECT_EQ(convgrad_kernel_at(SIZE_MAX), nullptr);
}

TEST_F(ContextTest, ForcedKernel) {
  options.kernel = "no_such_kernel";
  expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.kernel", "no_such_kernel"});
  const convgrad_kernel_info *first = nullptr, *other = nullptr;
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
    const convgrad_kernel_info *kernel = convgrad_kernel_at(i);
    if (!kernel->usable_here) continue;
    if (first == nullptr) first = kernel;
    if (std::string(kernel->target) != first->target) other = kernel;
  }
  ASSERT_NE(first, nullptr) << "no target of this build runs here";
  options.kernel = first->name;
  expect_ok();
  EXPECT_STREQ(context->settings.choice.kernel, first->name);
  // A kernel implies its target; asking for another one by name contradicts it.
  if (other == nullptr) return;  // this machine runs one target of this build only
  options.target = other->target;
  expect_failure(CONVGRAD_INVALID_ARGUMENT, {first->name, first->target, other->target});
  options.target = nullptr;
  ScopedEnvironment environment("CONVGRAD_TARGET", other->target);
  expect_ok();
}

TEST_F(ContextTest, AllocatorsComeInPairs) {
  options.allocate = [](void *, size_t, size_t) -> void * { return nullptr; };
  expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.release is NULL"});
  options.release = [](void *, void *) {};
  expect_failure(CONVGRAD_OUT_OF_MEMORY, {"no memory"});
  options.allocate = nullptr;
  expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.allocate is NULL"});
}

TEST_F(ContextTest, TheNthAllocationFails) {
  CountingAllocator log;
  options.num_threads = 3;
  log.install(&options);
  expect_ok();
  const int needed = log.count;
  EXPECT_GE(needed, 2);  // the context and its threads
  convgrad_context_destroy(context);
  context = nullptr;
  EXPECT_EQ(log.live, 0);
  for (int n = 0; n < needed; ++n) {
    log.count = 0;
    log.fail_at = n;
    expect_failure(CONVGRAD_OUT_OF_MEMORY, {});
    EXPECT_EQ(log.live, 0);
  }
}

TEST_F(ContextTest, DevicesBelongToGpuTargets) {
  options.device = this;
  expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.device", "CPU"});
  options.device = nullptr;
  options.queue = this;
  expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.queue", "CPU"});
  options.target = convgrad_kernel_at(0)->target;
  if (convgrad_kernel_at(0)->usable_here) expect_failure(CONVGRAD_INVALID_ARGUMENT, {"options.queue", "CPU"});
}

TEST_F(ContextTest, AChildMakesNewContexts) {
  options.num_threads = 4;
  expect_ok();
  const auto compute = [this] {
    alarm(30);
    convgrad_context *own = nullptr;
    if (convgrad_context_create(&options, &own) != CONVGRAD_OK) return 1;
    int called[4] = {};
    own->settings.parallel.parallel_for(
        own->settings.parallel.pool, [](void *arg, int64_t i) { ++static_cast<int *>(arg)[i]; }, called, 4);
    convgrad_context_destroy(own);
    for (int calls : called) {
      if (calls != 1) return 2;
    }
    return 0;
  };
  int status = -1;
  // From the newest thread, because QEMU 7.2 confuses other threads of the parent with those of its child.
  std::thread([&] {
    const pid_t child = fork();
    if (child == 0) _exit(compute());
    if (child > 0) waitpid(child, &status, 0);
  }).join();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

bool default_context_names_nonsense() {
  Example example;
  const convgrad_status status =
      convgrad_conv2d_backprop_input(nullptr, &example.attrs, &example.filter, &example.output, &example.input);
  return status == CONVGRAD_INVALID_ARGUMENT && strstr(convgrad_last_error(), "nonsense") != nullptr;
}

// In a child of its own, because the default context is made once a process.
TEST_F(ContextTest, ABadEnvironmentFailsEveryCallWithTheDefaultContext) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    setenv("CONVGRAD_TARGET", "nonsense", 1);
    if (!default_context_names_nonsense()) _exit(1);
    unsetenv("CONVGRAD_TARGET");
    if (!default_context_names_nonsense()) _exit(2);
    // Every thread is told.
    bool told = false;
    std::thread([&told] { told = default_context_names_nonsense(); }).join();
    if (!told) _exit(3);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace convgrad
