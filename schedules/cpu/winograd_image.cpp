// conv2d and conv2d_backprop_input by Winograd's algorithm on a CPU: 36 matrix products whose rows are tiles of 4 x 4
// pixels, whose columns are result channels (vectors), and whose reduction is channels.
//
//   task      block_vectors of channels x up to block_tiles tiles; its 36 matrices of products live in scratch
//    panel      block_reduction channels: 36 transformed matrices of the filter and of the image, which stay in L2
//      tile       tile_vectors x tile_rows accumulators in registers
//
// Every task transforms the pieces of filter and image that it needs. A filter transformed once, in a workspace, would
// be 4 times as large and come from memory; transforming it again for each block of tiles costs less and needs no
// memory of run-time size. How much scratch is too much depends on the CPU: more than L2 holds cost more than it saved
// on one (64 channels at 56 x 56: 36 tiles a block at 144% of the FMA peak, 66 at 123%; AVX-512, Ice Lake, November
// 2026) and less on another, whose L3 is near. docs/measurements/winograd.md
#include "families/winograd_image.h"
#include "schedules/cpu/winograd.h"

namespace convgrad {

using Halide::Expr;
using Halide::Func;
using Halide::MemoryType;
using Halide::Partition;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;

void WinogradImage::schedule(const WinogradImageStages &given, const Params &params) {
  WinogradImageStages stages = given;  // Funcs are handles
  const int lanes = params.lanes;
  const int block_channels = params.block_vectors * lanes, reduction = params.block_reduction;
  Func result = stages.result, products = stages.products;
  const Var channel = stages.channel, reduced = stages.reduced, t = stages.t, x = stages.x, y = stages.y, i = stages.i,
            j = stages.j;

  // Blocks of equal size, in whole register tiles.
  const Expr blocks = (stages.tiles + params.block_tiles - 1) / params.block_tiles;
  const Expr tile_count = (stages.tiles + params.tile_rows - 1) / params.tile_rows;
  const Expr block_tiles = (tile_count + blocks - 1) / blocks * params.tile_rows;

  Var block("block"), vector("vector"), lane("lane");
  RVar task("task"), within_task("within_task");
  // Tiles write pixels of their own, which Halide cannot see.
  result.update()
      .allow_race_conditions()
      .split(channel, vector, lane, lanes, TailStrategy::GuardWithIf)
      .split(vector, block, vector, params.block_vectors, TailStrategy::GuardWithIf)
      .split(stages.pixels.z, task, within_task, block_tiles, TailStrategy::GuardWithIf)
      .reorder({lane, stages.pixels.x, stages.pixels.y, vector, within_task, block, task})
      .fuse(block, task, task)
      .partition(task, Partition::Never)
      .parallel(task)
      .vectorize(lane)
      .unroll(stages.pixels.x)
      .unroll(stages.pixels.y);

  schedule_pass(stages.output_tile.compute_at(result, vector), channel, lanes, y, WinogradSizes::pixel_side, x,
                WinogradSizes::pixel_side);
  schedule_pass(stages.output_rows.compute_at(result, vector), channel, lanes, x, WinogradSizes::pixel_side, j,
                WinogradSizes::domain_side);

  RVar panel("panel");
  schedule_products(products, stages.reduction.x, reduction, panel, channel, params.tile_vectors, lanes, t,
                    params.tile_rows, i, j);
  products.compute_at(result, task).bound_storage(channel, block_channels).bound_storage(t, odd(params.block_tiles));
  schedule_tiles(stages.image, products, panel, lanes, reduction, params.block_tiles);

  stages.filter_tile.compute_at(products, panel)
      .store_in(MemoryType::Heap)
      .bound_storage(channel, block_channels)
      .bound_storage(reduced, odd(reduction))
      .split(channel, vector, lane, lanes, TailStrategy::RoundUp)
      .reorder(lane, j, i, vector, reduced)
      .vectorize(lane)
      .unroll(j);
  schedule_pass(stages.filter_rows.compute_at(stages.filter_tile, vector), channel, lanes, i,
                WinogradSizes::domain_side, stages.r, 3);
  if (stages.filter_source.defined()) {
    // Squares of lanes x lanes, read along one side and transposed in registers: elements one by one (a strided vector)
    // took far longer.
    Var lane_reduced("lane_reduced");
    stages.filter_panel.in()
        .compute_at(products, panel)
        .store_in(MemoryType::Heap)
        .bound_storage(channel, block_channels)
        .bound_storage(reduced, (reduction + lanes - 1) / lanes * lanes)
        .split(channel, vector, lane, lanes, TailStrategy::RoundUp)
        .split(reduced, reduced, lane_reduced, lanes, TailStrategy::RoundUp)
        .reorder(lane, lane_reduced, reduced, vector, stages.s, stages.r)
        .vectorize(lane)
        .unroll(lane_reduced);
    stages.filter_panel.compute_at(stages.filter_panel.in(), reduced)
        .store_in(MemoryType::Stack)
        .bound_extent(channel, lanes)
        .bound_extent(reduced, lanes)
        .vectorize(channel)
        .vectorize(reduced);
    stages.filter_source.compute_at(stages.filter_panel.in(), reduced)
        .store_in(MemoryType::Stack)
        .bound_extent(channel, lanes)
        .bound_extent(reduced, lanes)
        .vectorize(reduced)
        .unroll(channel);
  } else {
    schedule_pass(stages.filter_panel.compute_at(stages.filter_rows, stages.r), channel, lanes, stages.s, 3, stages.r,
                  1);
  }
}

}  // namespace convgrad
