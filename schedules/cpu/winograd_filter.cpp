// conv2d_backprop_filter by Winograd's algorithm on a CPU: 36 matrix products whose rows are input channels, whose
// columns are output channels (vectors), and whose reduction is tiles of 4 x 4 pixels.
//
//   task      block_vectors of output channels x block_channels input channels; its 36 matrices of sums live in scratch
//             and are as long as a block, so that one longer than the result wastes cache. No reduction is ever split
//             among tasks, so the result has the same bits for any number of threads.
//    panel      block_tiles tiles of both images, transformed, which stay in L2
//      tile       tile_vectors x tile_channels accumulators in registers
//
// docs/measurements/winograd.md
#include "families/winograd_filter.h"
#include "schedules/cpu/winograd.h"

namespace convgrad {

using Halide::Func;
using Halide::Partition;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;

void WinogradFilter::schedule(const WinogradFilterStages &given, const Params &params) {
  WinogradFilterStages stages = given;  // Funcs are handles
  const int lanes = params.lanes;
  const int block_k = params.block_vectors * lanes;
  Func result = stages.result, products = stages.products;
  const Var k = stages.k, c = stages.c;

  Var block("block"), task("task"), inner_c("inner_c"), vector("vector"), lane("lane");
  result.split(c, block, inner_c, params.block_channels, TailStrategy::GuardWithIf)
      .split(k, vector, lane, lanes, TailStrategy::GuardWithIf)
      .split(vector, task, vector, params.block_vectors, TailStrategy::GuardWithIf)
      .reorder(lane, stages.s, stages.r, vector, inner_c, block, task)
      .fuse(block, task, task)
      .partition(task, Partition::Never)
      .parallel(task)
      .vectorize(lane)
      .unroll(stages.s)
      .unroll(stages.r);
  schedule_pass(stages.output_tile.compute_at(result, vector), k, lanes, stages.r, 3, stages.s, 3);
  schedule_pass(stages.output_rows.compute_at(result, vector), k, lanes, stages.s, 3, stages.j,
                WinogradSizes::domain_side);

  RVar panel("panel");
  schedule_products(products, stages.reduction.x, params.block_tiles, panel, k, params.tile_vectors, lanes, c,
                    params.tile_channels, stages.i, stages.j);
  products.compute_at(result, task).bound_storage(k, block_k).bound_storage(c, odd(params.block_channels));
  schedule_tiles(stages.input, products, panel, lanes, params.block_channels, params.block_tiles);
  schedule_tiles(stages.gradient, products, panel, lanes, block_k, params.block_tiles);
}

}  // namespace convgrad
