// conv2d and conv2d_backprop_input on a GPU: one result a thread.
#include "schedules/schedule.h"

namespace convgrad {

using Halide::Func;
using Halide::TailStrategy;
using Halide::Var;

namespace {

// One block dimension for all of it: only the first may have more than 65,535 blocks on CUDA.
Var one_element_a_thread(Func result) {
  Var all("all"), block("block"), thread("thread");
  const std::vector<Var> dims = result.args();
  result.fuse(dims[0], dims[1], all)
      .fuse(all, dims[2], all)
      .fuse(all, dims[3], all)
      .split(all, block, thread, 128, TailStrategy::GuardWithIf)
      .gpu_blocks(block)
      .gpu_threads(thread);
  return thread;
}

}  // namespace

void schedule_image_on_gpu(const ImageStages &stages, const ImageScheduleParams &) {
  Func sum = stages.sum;
  sum.compute_at(stages.result, one_element_a_thread(stages.result));
}

void schedule_zeros_on_gpu(Func result) { one_element_a_thread(result); }

}  // namespace convgrad
