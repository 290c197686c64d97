// How much of its thread's stack a call takes: every entry point, and every kernel. Calls run on threads whose stacks
// are painted, and what has another colour afterwards was used.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "support/child.h"
#include "support/kernel_fixture.h"

namespace convgrad::test {
namespace {

// What the header says.
constexpr size_t kMost = 16 * 1024;

const std::vector<std::string> kShapes = {
    "all n4 h20 w22 c40 k48 fixed pSAME",  // slices
    "all n4 h32 w32 c8 k8 fixed pSAME",    // parts of a filter gradient
    "all n2 h11 w9 c20 k24 fixed pSAME",   // for kernels that sum over 32 channels at most
    "all n2 h9 w11 c3 k8 fixed pSAME",     // and those for three
    "all n2 h9 w11 c7 k5 r5x4 s2x1 d1x2",  // phases
    "all n2 h9 w8 c6 k4 g2 r3x3 pSAME NCHW",
};

class PaintedStack {
 public:
  PaintedStack() {
    memory_ = static_cast<unsigned char *>(
        mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
    if (memory_ == MAP_FAILED) std::abort();
  }
  ~PaintedStack() { munmap(memory_, kBytes); }
  PaintedStack(const PaintedStack &) = delete;
  PaintedStack &operator=(const PaintedStack &) = delete;

  // Bytes below the frame that calls it.
  size_t used_by(const std::function<void()> &body) {
    std::memset(memory_, kColour, kBytes);
    Start start = {&body, 0};
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, memory_, kBytes);
    if (pthread_create(&thread, &attributes, run, &start) != 0) std::abort();
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    const unsigned char *lowest = std::find_if(memory_, memory_ + kBytes, [](unsigned char c) { return c != kColour; });
    return start.frame - reinterpret_cast<uintptr_t>(lowest);
  }

 private:
  struct Start {
    const std::function<void()> *body;
    uintptr_t frame;
  };
  static void *run(void *arg) {
    auto *start = static_cast<Start *>(arg);
    start->frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    (*start->body)();
    return nullptr;
  }

  static constexpr size_t kBytes = size_t{256} << 10;
  static constexpr unsigned char kColour = 0xa5;
  unsigned char *memory_;
};

// The call is made once before: what first calls take beyond this is in tests/install/little_stack.
void expect_little_stack(const std::string &what, const std::function<void()> &call) {
  PaintedStack stack;
  call();
  const size_t used = stack.used_by(call);
  EXPECT_LE(used, kMost) << what;
  static size_t most = 0;
  if (used > most) std::printf("%zu bytes of stack: %s\n", most = used, what.c_str());
  ++tally().problems;
}

// The data is of no account.
Tensors tensors_of(const Problem &problem) {
  const Layouts layouts = layouts_of(problem);
  return {problem, std::vector<double>(static_cast<size_t>(layouts.first.size()), 1),
          std::vector<double>(static_cast<size_t>(layouts.second.size()), 1)};
}

// All tasks in the thread that calls, so that it takes the deepest of them.
void run_here(void *, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
  for (int64_t i = 0; i < count; ++i) task(arg, i);
}

class Stack : public KernelTest {};

TEST_P(Stack, AKernelsCalls) {
  if (kernel().target == std::string("x86_64_avx512_on_avx2")) {
    GTEST_SKIP() << "no program has these: tiles for 32 registers, compiled for 16";
  }
  convgrad_context_options options = convgrad_context_options_default();
  options.kernel = kernel().name;
  options.num_threads = 64;  // more than there are tasks
  options.parallel_for = run_here;
  const Context wide = make_context(options);
  ASSERT_NE(wide, nullptr) << convgrad_last_error();
  int accepted = 0;
  for (const Problem &problem : mine(expand_all(kShapes))) {
    Tensors tensors = tensors_of(problem);
    for (const convgrad_context *with : {context(1), context(2), static_cast<const convgrad_context *>(wide.get())}) {
      if (tensors.call(with) != CONVGRAD_OK) continue;
      ++accepted;
      const std::string what = std::string(kernel().name) + ", " + problem.to_string();
      convgrad_status status = CONVGRAD_INTERNAL;
      expect_little_stack(what, [&] { status = tensors.call(with); });
      EXPECT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
      convgrad_plan *plan = nullptr;
      expect_little_stack(what + ", making a plan", [&] {
        convgrad_plan_destroy(plan);
        tensors.make_plan(with, &plan);
      });
      ASSERT_NE(plan, nullptr) << convgrad_last_error();
      expect_little_stack(what + ", a plan's run", [&] { status = tensors.run(plan); });
      EXPECT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
      convgrad_plan_destroy(plan);
    }
  }
  EXPECT_GT(accepted, 0);
}

CONVGRAD_INSTANTIATE_PER_KERNEL(Stack);

// The first call makes it, and its threads.
TEST(StackTest, TheDefaultContext) {
  Tensors tensors = tensors_of(expand_all({"conv2d n2 h11 w9 c20 k24 r3x3"}).front());
  for (const char *verbose : {"0", "1"}) {
    const ChildResult child = run_in_child({{"CONVGRAD_NUM_THREADS", "3"}, {"CONVGRAD_VERBOSE", verbose}}, [&] {
      convgrad_status status = CONVGRAD_INTERNAL;
      PaintedStack stack;
      const size_t used = stack.used_by([&] { status = tensors.call(nullptr); });
      std::printf("%zu bytes of stack\n", used);
      return status == CONVGRAD_OK && used <= kMost ? 0 : 1;
    });
    EXPECT_EQ(child.exit_code, 0) << child.output;
  }
}

TEST(StackTest, Contexts) {
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = 3;
  const auto create = [&] {
    convgrad_context *context = nullptr;
    convgrad_context_create(&options, &context);
    convgrad_context_destroy(context);
  };
  expect_little_stack("a context", create);
  const std::string long_name(2000, 'x');
  for (const char *target :
       all_targets().empty() ? std::vector<const char *>{} : std::vector<const char *>{"x", long_name.c_str()}) {
    options.target = target;
    expect_little_stack("a context of an unknown target", create);
  }
  options.target = nullptr;
  options.kernel = long_name.c_str();
  expect_little_stack("a context of an unknown kernel", create);
  for (const convgrad_kernel_info *kernel : all_kernels()) {
    options.kernel = kernel->name;
    expect_little_stack(std::string("a context of ") + kernel->name, create);
  }
}

// The longest messages: every size has all its digits.
TEST(StackTest, Refusals) {
  const int64_t large = INT64_MAX;
  convgrad_status status = CONVGRAD_OK;
  for (const Problem &problem : expand_all({"all n2 h11 w9 c20 k24 r3x3"})) {
    const Tensors good = tensors_of(problem);
    const auto refused = [&](const char *what, const std::function<void(Tensors *)> &spoil) {
      Tensors bad = good;
      spoil(&bad);
      expect_little_stack(std::string(what) + ", " + problem.to_string(), [&] { status = bad.call(nullptr); });
      EXPECT_NE(status, CONVGRAD_OK) << what;
      expect_little_stack(std::string(what) + ", as a plan", [&] {
        convgrad_plan *plan = nullptr;
        status = bad.make_plan(nullptr, &plan);
      });
      EXPECT_NE(status, CONVGRAD_OK) << what;
    };
    refused("strides of 0", [](Tensors *t) { t->attrs.strides[0] = t->attrs.strides[1] = 0; });
    refused("negative paddings", [](Tensors *t) {
      t->attrs.padding = CONVGRAD_EXPLICIT;
      for (int64_t &padding : t->attrs.explicit_paddings) padding = INT64_MIN;
    });
    refused("sizes beyond int64", [&](Tensors *t) {
      for (int64_t &size : t->tensor[1].shape) size = large;
    });
    refused("strides beyond int64", [&](Tensors *t) {
      for (int64_t &stride : t->tensor[1].strides) stride = large;
    });
    refused("paddings beyond int64", [&](Tensors *t) {
      t->attrs.padding = CONVGRAD_EXPLICIT;
      for (int64_t &padding : t->attrs.explicit_paddings) padding = large;
    });
    refused("another output", [](Tensors *t) {
      t->attrs.padding = CONVGRAD_EXPLICIT;
      for (int64_t &padding : t->attrs.explicit_paddings) padding = 1000000007;
    });
  }
  const convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  const int64_t input[4] = {1, 8, 8, large}, filter[4] = {1, large, large - 1, 1};
  int64_t output[4];
  expect_little_stack("an output's shape",
                      [&] { status = convgrad_conv2d_output_shape(&attrs, input, filter, output); });
  EXPECT_NE(status, CONVGRAD_OK);
}

}  // namespace
}  // namespace convgrad::test
