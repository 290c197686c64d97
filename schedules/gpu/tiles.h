// What the GPU schedules share: the dimension of blocks, and how a block's threads take part in loops that are not
// tiles of the result.
#ifndef CONVGRAD_SCHEDULES_GPU_TILES_H
#define CONVGRAD_SCHEDULES_GPU_TILES_H

#include <Halide.h>

#include <vector>

namespace convgrad {

// The loops `block` (the innermost) and `others` are fused, and become the dimension of blocks. There is one: only the
// first may have more than 65,535 blocks on CUDA.
void give_to_blocks(Halide::Func stage, Halide::Var block, const std::vector<Halide::Var> &others);

// The product of these loops, fused (the first is the innermost), dealt out to a block's threads: neighbours take
// neighbouring iterations. What one thread does is unrolled, so that its loads are in flight together.
void share_among_threads(Halide::Func stage, const std::vector<Halide::Var> &loops, int iterations, int threads);

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_GPU_TILES_H
