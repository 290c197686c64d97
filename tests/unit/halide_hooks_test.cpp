// The hooks that kernels call, as a kernel calls them.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <set>
#include <vector>

#include "call_context.h"
#include "thread_pool.h"

extern "C" {
void *halide_malloc(void *user_context, size_t bytes);
void halide_free(void *user_context, void *pointer);
int halide_do_par_for(void *user_context, int (*task)(void *, int, uint8_t *), int min, int size, uint8_t *closure);
int convgrad_prefetch(const void *tensor, int first, int begin, int end, int pixel_stride, int channels);
int halide_error_out_of_memory(void *user_context);
int halide_error_buffer_argument_is_null(void *user_context, const char *name);
}

namespace convgrad {
namespace {

constexpr size_t slot_bytes = 1024;

// A call with some threads, of our own or the application's, and a slot of scratch for each.
class HalideHooks : public ::testing::Test {
 protected:
  void SetUp() override {
    Text reason;
    pool = create_thread_pool({nullptr, nullptr, nullptr}, 3, &reason);
    ASSERT_NE(pool, nullptr) << reason.c_str();
  }
  void TearDown() override { release_thread_pool(pool); }

  struct Call {
    Call(int threads, void (*parallel_for)(void *, void (*)(void *, int64_t), void *, int64_t), void *pool)
        : parallel{threads, parallel_for, pool},
          scratch(workspace, slot_bytes),
          context{&parallel, &scratch, workspace, slot_bytes} {}
    alignas(64) char workspace[8 * slot_bytes];
    Parallel parallel;
    ScratchStack scratch;
    CallContext context;
  };

  ThreadPool *pool;
};

struct Loop {
  std::atomic<int> calls[100] = {};
  std::atomic<int> inner_calls{0};
  std::atomic<int> broken{0};
  int fail_at = -1;
};

Loop *loop_of(uint8_t *closure) { return *reinterpret_cast<Loop **>(closure); }

int body(void *user_context, int index, uint8_t *closure) {
  Loop *loop = loop_of(closure);
  ++loop->calls[index];
  // Scratch of its own: nobody else writes here meanwhile.
  char *block = static_cast<char *>(halide_malloc(user_context, 512));
  if (block == nullptr) return halide_error_out_of_memory(user_context);
  memset(block, index, 512);
  for (int i = 0; i < 512; ++i) {
    if (block[i] != static_cast<char>(index)) ++loop->broken;
  }
  halide_free(user_context, block);
  return index == loop->fail_at ? -77 : 0;
}

TEST_F(HalideHooks, EachIndexOnce) {
  for (int threads : {1, 2, 4}) {
    for (int min : {0, 5}) {
      Call call(threads, thread_pool_parallel_for, pool);
      Loop loop, *closure = &loop;
      EXPECT_EQ(halide_do_par_for(&call.context, body, min, 90, reinterpret_cast<uint8_t *>(&closure)), 0);
      for (int i = 0; i < 100; ++i) EXPECT_EQ(loop.calls[i].load(), i >= min && i < min + 90 ? 1 : 0) << i;
      EXPECT_EQ(loop.broken.load(), 0);
      EXPECT_EQ(call.scratch.used(), 0u);
    }
  }
}

struct Takers {
  const void *of[90] = {};  // each index
};

int slow_body(void *user_context, int index, uint8_t *closure) {
  (*reinterpret_cast<Takers **>(closure))->of[index] = static_cast<CallContext *>(user_context)->scratch;
  usleep(200);
  return 0;
}

// What a task prefetches is the next index's, and not another thread's. One by one four threads would change 89 times.
TEST_F(HalideHooks, TasksTakeRunsOfIndices) {
  Call call(4, thread_pool_parallel_for, pool);
  Takers takers, *closure = &takers;
  EXPECT_EQ(halide_do_par_for(&call.context, slow_body, 0, 90, reinterpret_cast<uint8_t *>(&closure)), 0);
  int changes = 0;
  for (int i = 1; i < 90; ++i) changes += takers.of[i] != takers.of[i - 1] ? 1 : 0;
  EXPECT_LT(changes, 45);
}

TEST_F(HalideHooks, TasksGoAboveWhatTheirCallerHolds) {
  Call call(4, thread_pool_parallel_for, pool);
  char *held = static_cast<char *>(halide_malloc(&call.context, 128));
  ASSERT_NE(held, nullptr);
  memset(held, 123, 128);
  Loop loop, *closure = &loop;
  EXPECT_EQ(halide_do_par_for(&call.context, body, 0, 50, reinterpret_cast<uint8_t *>(&closure)), 0);
  for (int i = 0; i < 128; ++i) ASSERT_EQ(held[i], 123);
  halide_free(&call.context, held);
  EXPECT_EQ(call.scratch.used(), 0u);
}

TEST_F(HalideHooks, AnErrorIsTheResult) {
  for (int threads : {1, 4}) {
    Call call(threads, thread_pool_parallel_for, pool);
    Loop loop, *closure = &loop;
    loop.fail_at = 20;
    EXPECT_EQ(halide_do_par_for(&call.context, body, 0, 90, reinterpret_cast<uint8_t *>(&closure)), -77);
    EXPECT_EQ(loop.calls[20].load(), 1);
    if (threads == 1) {
      EXPECT_EQ(loop.calls[21].load(), 0) << "the others are not begun";
    }
  }
}

// What the application's parallel_for was asked.
struct Injected {
  std::vector<int64_t> counts;
  int depth = 0;
};

void injected_parallel_for(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
  Injected *injected = static_cast<Injected *>(pool);
  injected->counts.push_back(count);
  EXPECT_EQ(injected->depth++, 0) << "called from inside a task";
  for (int64_t i = count - 1; i >= 0; --i) task(arg, i);
  --injected->depth;
}

TEST_F(HalideHooks, AnInjectedParallelForGetsAtMostNumThreadsTasks) {
  Injected injected;
  Call call(5, injected_parallel_for, &injected);
  Loop loop, *closure = &loop;
  EXPECT_EQ(halide_do_par_for(&call.context, body, 0, 90, reinterpret_cast<uint8_t *>(&closure)), 0);
  EXPECT_EQ(halide_do_par_for(&call.context, body, 0, 3, reinterpret_cast<uint8_t *>(&closure)), 0);
  EXPECT_EQ(injected.counts, (std::vector<int64_t>{5, 3}));
  EXPECT_EQ(loop.calls[89].load(), 1);
  EXPECT_EQ(loop.calls[2].load(), 2);
}

TEST_F(HalideHooks, NoIndexIsBegunAfterAnError) {
  Injected one_after_the_other;
  Call call(4, injected_parallel_for, &one_after_the_other);
  Loop loop, *closure = &loop;
  loop.fail_at = 3;
  EXPECT_EQ(halide_do_par_for(&call.context, body, 0, 90, reinterpret_cast<uint8_t *>(&closure)), -77);
  for (int i = 0; i < 90; ++i) EXPECT_EQ(loop.calls[i].load(), i <= 3 ? 1 : 0) << i;
}

int nested_body(void *user_context, int, uint8_t *closure) {
  return halide_do_par_for(
      user_context,
      [](void *context, int, uint8_t *inner) {
        ++loop_of(inner)->inner_calls;
        EXPECT_EQ(static_cast<CallContext *>(context)->parallel, nullptr);
        return 0;
      },
      0, 7, closure);
}

TEST_F(HalideHooks, NestedLoopsAreSerial) {
  Injected injected;
  Call call(4, injected_parallel_for, &injected);
  Loop loop, *closure = &loop;
  EXPECT_EQ(halide_do_par_for(&call.context, nested_body, 0, 10, reinterpret_cast<uint8_t *>(&closure)), 0);
  EXPECT_EQ(loop.inner_calls.load(), 70);
  EXPECT_EQ(injected.counts, std::vector<int64_t>{4});
}

TEST_F(HalideHooks, ALoopOfOneLeavesTheThreadsToTheLoopInside) {
  Injected injected;
  Call call(4, injected_parallel_for, &injected);
  Loop loop, *closure = &loop;
  EXPECT_EQ(halide_do_par_for(&call.context, nested_body, 0, 1, reinterpret_cast<uint8_t *>(&closure)), 0);
  EXPECT_EQ(loop.inner_calls.load(), 7);
  EXPECT_EQ(injected.counts, std::vector<int64_t>{4});
}

// The last round of a loop fetches what would come after it: whatever is there, if anything.
TEST_F(HalideHooks, APrefetchMayLeaveTheTensor) {
  const float pixel[8] = {};
  EXPECT_EQ(convgrad_prefetch(pixel, 0, 0, 1000, 8, 8), 0);         // contiguous
  EXPECT_EQ(convgrad_prefetch(pixel, -5000, 2, 1000, 800, 24), 0);  // each pixel by itself
  EXPECT_EQ(convgrad_prefetch(nullptr, 0, 0, 10, 8, 8), 0);
}

TEST_F(HalideHooks, APrefetchOfNoPixelsEnds) {
  EXPECT_EQ(convgrad_prefetch(nullptr, 0, 7, 7, 8, 8), 0);
  EXPECT_EQ(convgrad_prefetch(nullptr, 0, 9, -3, 8, 8), 0);  // a share that begins beyond the end
  EXPECT_EQ(convgrad_prefetch(nullptr, 0, 9, -3, 800, 8), 0);
  EXPECT_EQ(convgrad_prefetch(nullptr, 0, 0, 4, 0, 0), 0);
}

TEST_F(HalideHooks, ErrorsAreCodes) {
  EXPECT_EQ(halide_error_out_of_memory(nullptr), -11);
  EXPECT_EQ(halide_error_buffer_argument_is_null(nullptr, "x"), -12);
}

}  // namespace
}  // namespace convgrad
