// conv2d_backprop_filter on a GPU: one result a thread.
#include "schedules/schedule.h"

namespace convgrad {

using Halide::TailStrategy;
using Halide::Var;

void schedule_filter_on_gpu(const FilterStages &stages, const FilterScheduleParams &) {
  Var all("all"), block("block"), thread("thread");
  Halide::Func result = stages.result, sum = stages.sum;
  result.fuse(stages.k, stages.c, all)
      .fuse(all, stages.s, all)
      .fuse(all, stages.r, all)
      .split(all, block, thread, 128, TailStrategy::GuardWithIf)
      .gpu_blocks(block)
      .gpu_threads(thread);
  sum.compute_at(result, thread);
}

}  // namespace convgrad
