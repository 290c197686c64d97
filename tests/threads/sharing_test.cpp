// Whatever helps one element type to use many threads helps the others: where a call of float32 hands out several
// tasks, those of other types do so too. What is kept from them somewhere in the runtime costs no result, only time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "support/run.h"

namespace convgrad::test {
namespace {

constexpr int kThreads = 8;

// By what a kernel's tasks alone would not be shared out.
const std::vector<std::string> kShapes = {
    // A filter gradient in parts of its reduction.
    "conv2d_backprop_filter n8 h28 w28 c8 r3x3 k8 pSAME",
    "conv2d_backprop_filter n4 h32 w32 c3 r5x5 k4 pSAME",
    "conv2d_backprop_filter n2 h65 w70 c8 r1x1 k12",
    // In slices of images, rows, columns.
    "all n8 h14 w14 c32 r3x3 k32 pSAME",
    "all n1 h56 w28 c16 r3x3 k16 pSAME",
    "all n1 h1 w3000 c31 r1x9 k33 p0,0,4,4",
    "all n4 h28 w28 c24 r1x1 k24",
    // By the tasks alone.
    "all n16 h28 w28 c64 r3x3 k64 pSAME",
    "all n4 h14 w14 c16 r3x3 k16 g2 pSAME",
};

struct Count {
  int64_t tasks = 0;

  static void parallel_for(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
    auto *self = static_cast<Count *>(pool);
    self->tasks = std::max(self->tasks, count);
    for (int64_t i = 0; i < count; ++i) task(arg, i);
  }
};

// The most tasks that a call hands out at once.
int64_t tasks_of(const Problem &problem, const std::string &target) {
  Count count;
  convgrad_context_options options = convgrad_context_options_default();
  options.target = target.c_str();
  options.num_threads = kThreads;
  options.parallel_for = Count::parallel_for;
  options.pool = &count;
  const Context context = make_context(options);
  EXPECT_NE(context, nullptr) << convgrad_last_error();
  const Layouts layouts = layouts_of(problem);
  Tensors tensors(problem, random_integers(layouts.first.size(), 1), random_integers(layouts.second.size(), 2));
  EXPECT_EQ(tensors.call(context.get()), CONVGRAD_OK) << convgrad_last_error();
  ++tally().problems;
  return count.tasks;
}

TEST(Sharing, IsTheSameForEveryElementType) {
  for (const std::string &target : usable_targets()) {
    int64_t shared[problems::kOps] = {};
    for (const Problem &problem : expand_all(kShapes)) {
      const int64_t tasks = tasks_of(problem, target);
      if (tasks <= 1) continue;  // the target's tiles are too large
      ++shared[problem.op];
      for (const Problem &other : in_each_dtype({problem})) {
        // Its tiles and costs are others, so that the numbers need not be the same.
        EXPECT_GE(2 * tasks_of(other, target), std::max<int64_t>(tasks, 4))
            << target << ", " << other.to_string() << ", where float32 has " << tasks;
      }
    }
    for (convgrad_op op = 0; op < problems::kOps; ++op) {
      EXPECT_GE(shared[op], 4) << target << ", " << op_name(op) << ": hardly anything is shared out";
    }
  }
}

}  // namespace
}  // namespace convgrad::test
