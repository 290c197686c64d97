#include "schedules/gpu/tiles.h"

namespace convgrad {

using Halide::TailStrategy;
using Halide::Var;

void give_to_blocks(Halide::Func stage, Var block, const std::vector<Var> &others) {
  for (const Var &other : others) stage.fuse(block, other, block);
  stage.gpu_blocks(block);
}

void share_among_threads(Halide::Func stage, const std::vector<Var> &loops, int iterations, int threads) {
  Var all("all"), round("round"), thread("thread");
  stage.fuse(loops[0], loops[1], all);
  for (size_t i = 2; i < loops.size(); i++) stage.fuse(all, loops[i], all);
  const bool exact = iterations % threads == 0;
  stage.split(all, round, thread, threads, exact ? TailStrategy::RoundUp : TailStrategy::GuardWithIf)
      .reorder(round, thread)
      .gpu_threads(thread)
      .unroll(round);
}

}  // namespace convgrad
