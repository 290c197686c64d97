// The n-th allocation fails, for every n until nothing fails: OUT_OF_MEMORY, nothing written, nothing leaked.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "support/run.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kShapes = {
    "all n4 h20 w22 c40 k48 fixed pSAME",
    "all n2 h9 w11 c7 k5 r5x4 s2x1 d1x2",
    "all n2 h9 w8 c6 k4 g2 r3x3 pSAME NCHW",
};

struct FailingAllocator {
  int fail_at = 0;  // 1: the first; 0: none
  int calls = 0;
  std::set<void *> live;
  bool foreign_release = false;

  static void *allocate(void *memory, size_t bytes, size_t alignment) {
    auto *self = static_cast<FailingAllocator *>(memory);
    if (++self->calls == self->fail_at) return nullptr;
    void *pointer = nullptr;
    if (posix_memalign(&pointer, std::max(alignment, sizeof(void *)), std::max<size_t>(bytes, 1)) != 0) return nullptr;
    self->live.insert(pointer);
    return pointer;
  }

  static void release(void *memory, void *pointer) {
    auto *self = static_cast<FailingAllocator *>(memory);
    if (pointer == nullptr) return;
    self->foreign_release |= self->live.erase(pointer) == 0;
    std::free(pointer);
  }

  convgrad_context_options options() {
    convgrad_context_options result = convgrad_context_options_default();
    result.allocate = allocate;
    result.release = release;
    result.memory = this;
    result.num_threads = 2;
    return result;
  }
};

// Makes a context and computes.
void attempt(FailingAllocator *allocator, const Problem &problem, const Data &data, const RunOptions &how,
             convgrad_status *status) {
  const convgrad_context_options options = allocator->options();
  convgrad_context *raw = nullptr;
  *status = convgrad_context_create(&options, &raw);
  const Context context(raw);
  if (*status != CONVGRAD_OK) {
    EXPECT_EQ(raw, nullptr);
    EXPECT_STRNE(convgrad_last_error(), "");
    return;
  }
  Runner runner;
  const Outcome outcome = runner.run(context.get(), problem, data.first, data.second, how);
  *status = outcome.status;
  EXPECT_EQ(outcome.damage, "");
  if (outcome.status == CONVGRAD_OK) {
    EXPECT_TRUE(equals_expected(outcome, data.expected, {&problem, "", 9, 2}));
  } else {
    EXPECT_NE(outcome.message, "");
  }
}

TEST(AllocationFailure, EveryAllocationMayFail) {
  int most_failures = 0;
  for (const Problem &problem : in_each_dtype(expand_all(kShapes))) {
    const Data data = integer_data(problem, 9);
    for (Entry entry : {Entry::kPlan, Entry::kFunction}) {
      SCOPED_TRACE(problem.to_string() + (entry == Entry::kPlan ? ", plan" : ", function"));
      RunOptions how;
      how.entry = entry;
      how.workspace = Workspace::kNone;
      convgrad_status status = CONVGRAD_OUT_OF_MEMORY;
      int n = 0;
      while (status != CONVGRAD_OK) {
        ASSERT_LT(++n, 200) << "it never succeeds";
        FailingAllocator allocator;
        allocator.fail_at = n;
        attempt(&allocator, problem, data, how, &status);
        ASSERT_TRUE(status == CONVGRAD_OK || status == CONVGRAD_OUT_OF_MEMORY)
            << "allocation " << n << ": " << convgrad_status_string(status) << ", " << convgrad_last_error();
        // An answer of OK means that no allocation failed.
        EXPECT_EQ(status == CONVGRAD_OK, allocator.calls < n) << "allocation " << n;
        EXPECT_TRUE(allocator.live.empty()) << allocator.live.size() << " blocks leaked by allocation " << n;
        EXPECT_FALSE(allocator.foreign_release);
        ++tally().problems;
      }
      most_failures = std::max(most_failures, n - 1);
    }
  }
  // A context, a plan and scratch.
  EXPECT_GE(most_failures, 3);
}

// A block that is not aligned as asked for is given back, and the text does not speak of too little memory.
TEST(AllocationFailure, MisalignedBlocks) {
  const Problem problem = expand_all({"conv2d n4 h20 w22 c40 k48 r3x3 pSAME"}).front();
  const Data data = integer_data(problem, 9);
  struct Misaligned {
    int calls = 0, spoil = 0, live = 0;
  };
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = 2;
  options.allocate = [](void *memory, size_t bytes, size_t) -> void * {
    auto *self = static_cast<Misaligned *>(memory);
    void *block = nullptr;
    if (posix_memalign(&block, 64, bytes + 64) != 0) return nullptr;
    ++self->live;
    return static_cast<char *>(block) + (++self->calls == self->spoil ? 4 : 0);
  };
  options.release = [](void *memory, void *block) {
    --static_cast<Misaligned *>(memory)->live;
    std::free(reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(block) / 64 * 64));
  };
  int spoilt = 0;
  for (int n = 1; n < 20; ++n) {
    Misaligned allocator;
    allocator.spoil = n;
    options.memory = &allocator;
    {
      convgrad_context *raw = nullptr;
      convgrad_status status = convgrad_context_create(&options, &raw);
      const Context context(raw);
      RunOptions how;
      how.workspace = Workspace::kNone;
      Runner runner;
      if (status == CONVGRAD_OK) status = runner.run(raw, problem, data.first, data.second, how).status;
      if (allocator.calls >= n) {
        EXPECT_EQ(status, CONVGRAD_OUT_OF_MEMORY) << n;
        EXPECT_NE(std::string(convgrad_last_error()).find("multiple of"), std::string::npos) << convgrad_last_error();
        ++spoilt;
      } else {
        EXPECT_EQ(status, CONVGRAD_OK) << convgrad_last_error();
      }
    }
    EXPECT_EQ(allocator.live, 0) << n;
  }
  EXPECT_GE(spoilt, 4);  // context, threads, plan, scratch
}

TEST(AllocationFailure, AllocateAndReleaseComeTogether) {
  FailingAllocator allocator;
  for (const bool only_allocate : {true, false}) {
    convgrad_context_options options = allocator.options();
    if (only_allocate) options.release = nullptr;
    if (!only_allocate) options.allocate = nullptr;
    convgrad_context *context = nullptr;
    EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_INVALID_ARGUMENT);
    EXPECT_EQ(context, nullptr);
  }
  EXPECT_EQ(allocator.calls, 0);
}

}  // namespace
}  // namespace convgrad::test
