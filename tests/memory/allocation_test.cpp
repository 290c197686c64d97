// A run with a workspace allocates nothing, and where an allocator is given the C library's is not used.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "memory/malloc_counter.h"
#include "support/child.h"
#include "support/kernel_fixture.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kShapes = {
    "all n4 h20 w22 c40 k48 fixed pSAME", "all n4 h14 w14 c70 k64 fixed pSAME",
    "all n5 h6 w6 c17 k18 fixed pSAME",   // affordable under an emulator, whatever the filter
    "all n2 h11 w9 c20 k24 fixed pSAME",  // for kernels that sum over 32 channels at most
    "all n2 h9 w11 c7 k5 r5x4 s2x1 d1x2", "all n2 h9 w8 c6 k4 g2 r3x3 pSAME NCHW",
};

// An allocator from one block, which asks the C library for nothing.
struct Bump {
  static constexpr size_t kSize = size_t{512} << 20;  // a Winograd kernel takes 6 to 12 MB for three threads, each time
  std::unique_ptr<char[]> block{new char[kSize]};
  size_t used = 0;
  size_t requested = 0;
  int calls = 0;
  bool badly_aligned = false;

  static void *allocate(void *memory, size_t bytes, size_t alignment) {
    auto *bump = static_cast<Bump *>(memory);
    bump->badly_aligned |= alignment == 0 || (alignment & (alignment - 1)) != 0;
    const auto base = reinterpret_cast<uintptr_t>(bump->block.get());
    const size_t begin = (base + bump->used + alignment - 1) / alignment * alignment - base;
    if (begin + bytes > kSize) return nullptr;
    bump->used = begin + bytes;
    bump->requested += bytes;
    ++bump->calls;
    return bump->block.get() + begin;
  }
  static void release(void *, void *) {}
};

// A problem with operands, a result and a plan for it.
struct Prepared {
  Prepared(const Problem &problem, const convgrad_context *context)
      : tensors(problem, random_integers(layouts_of(problem).first.size(), 1),
                random_integers(layouts_of(problem).second.size(), 2)) {
    convgrad_plan *created = nullptr;
    tensors.make_plan(context, &created);
    plan.reset(created);
  }

  convgrad_status run(void *workspace) { return tensors.run(plan.get(), workspace); }

  Tensors tensors;
  Plan plan;
};

std::vector<Problem> problems() { return affordable(in_each_dtype(expand_all(kShapes))); }

struct FreeDeleter {
  void operator()(void *pointer) const { std::free(pointer); }
};

class Allocations : public KernelTest {};

TEST_P(Allocations, NoneWithAWorkspace) {
  int accepted = 0;
  for (int threads : {1, 4}) {
    for (const Problem &problem : mine(expand_all(kShapes))) {
      Prepared prepared(problem, context(threads));
      if (prepared.plan == nullptr) continue;
      ++accepted;
      ++tally().problems;
      const size_t bytes = convgrad_plan_workspace_size(prepared.plan.get());
      const std::unique_ptr<void, FreeDeleter> workspace(
          std::aligned_alloc(CONVGRAD_WORKSPACE_ALIGNMENT, bytes + CONVGRAD_WORKSPACE_ALIGNMENT));
      for (int i = 0; i < 2; ++i) {
        MallocCounter counter;
        const convgrad_status status = prepared.run(workspace.get());
        const int64_t allocations = counter.stop();
        EXPECT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
        EXPECT_EQ(allocations, 0) << problem.to_string() << ", run " << i << ", threads " << threads;
      }
      if (bytes == 0) continue;
      // The counter does count: without a workspace the run must get one from somewhere.
      MallocCounter counter;
      const convgrad_status status = prepared.run(nullptr);
      const int64_t allocations = counter.stop();
      EXPECT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
      EXPECT_GT(allocations, 0) << problem.to_string();
    }
  }
  EXPECT_GE(accepted, 2);
}

CONVGRAD_INSTANTIATE_PER_KERNEL(Allocations);

TEST(AllocationTest, SomeKernelNeedsAWorkspace) {
  const Context context = make_context("", 4);
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  size_t most = 0;
  for (const Problem &problem : problems()) {
    const Prepared prepared(problem, context.get());
    ASSERT_NE(prepared.plan, nullptr) << convgrad_last_error();
    most = std::max(most, convgrad_plan_workspace_size(prepared.plan.get()));
  }
  EXPECT_GT(most, 0u) << "the checks of allocations without a workspace would be empty";
}

TEST(AllocationTest, AnAllocatorServesEverything) {
  Bump bump;
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = 3;
  options.allocate = Bump::allocate;
  options.release = Bump::release;
  options.memory = &bump;
  // Tasks run here, so that no thread has to be started.
  options.parallel_for = [](void *, void (*task)(void *, int64_t), void *arg, int64_t count) {
    for (int64_t i = 0; i < count; ++i) task(arg, i);
  };
  MallocCounter create_counter;
  convgrad_context *raw = nullptr;
  const convgrad_status status = convgrad_context_create(&options, &raw);
  EXPECT_EQ(create_counter.stop(), 0) << "a context got memory elsewhere";
  ASSERT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
  const Context context(raw);
  EXPECT_GT(bump.calls, 0);
  for (const Problem &problem : problems()) {
    SCOPED_TRACE(problem.to_string());
    const Data data = integer_data(problem, 1);
    Tensors tensors(problem, data.first, data.second);
    const int calls_before = bump.calls;
    MallocCounter counter;
    convgrad_plan *plan = nullptr;
    const convgrad_status planned = tensors.make_plan(context.get(), &plan);
    const int64_t plan_allocations = counter.stop();
    const Plan owner(plan);
    ASSERT_EQ(planned, CONVGRAD_OK) << convgrad_last_error();
    EXPECT_EQ(plan_allocations, 0) << "a plan got memory elsewhere";
    EXPECT_GT(bump.calls, calls_before);
    const size_t requested_before = bump.requested;
    MallocCounter run_counter;
    const convgrad_status ran = tensors.run(plan);
    EXPECT_EQ(run_counter.stop(), 0) << "scratch got memory elsewhere";
    ASSERT_EQ(ran, CONVGRAD_OK) << convgrad_last_error();
    EXPECT_GE(bump.requested - requested_before, convgrad_plan_workspace_size(plan));
    const std::vector<double> result = without_rounding(tensors.result(), convgrad_plan_kernel(plan));
    EXPECT_EQ(std::vector<long double>(result.begin(), result.end()), data.expected);
    ++tally().problems;
  }
  EXPECT_FALSE(bump.badly_aligned);
}

TEST(AllocationTest, TheCounterCounts) {
  MallocCounter counter;
  void *volatile pointer = std::malloc(10);
  std::free(pointer);
  EXPECT_EQ(counter.stop(), 2);
}

// Out of memory is no reason to refuse the next call. In a child of its own, because the default context is made once
// a process.
TEST(Allocations, ADefaultContextWithoutMemoryIsMadeLater) {
  const Problem problem = expand_all({"conv2d_backprop_input n2 h9 w11 c7 k5 r3x3 pSAME"}).front();
  const Data data = integer_data(problem, 5);
  const ChildResult child = run_in_child({}, [&] {
    Runner runner;
    RunOptions how;
    how.entry = Entry::kFunction;
    for (int i = 0; i < 2; ++i) {
      const NoAlignedMemory none;
      const Outcome outcome = runner.run(nullptr, problem, data.first, data.second, how);
      std::printf("%s\n", outcome.message.c_str());
      if (outcome.status != CONVGRAD_OUT_OF_MEMORY || outcome.message.find("context_create") != 0) return 1;
    }
    const auto equal = equals_expected(runner.run(nullptr, problem, data.first, data.second, how), data.expected,
                                       {&problem, "", 5, 0});
    std::printf("%s\n", equal.message());
    return equal ? 0 : 2;
  });
  EXPECT_EQ(child.exit_code, 0) << child.output;
  ++tally().problems;
}

}  // namespace
}  // namespace convgrad::test
