// conv2d_backprop_filter on a GPU: an implicit matrix product whose rows are input channels, whose columns are output
// channels, and whose reduction is output pixels, once for each filter tap.
//
//   block    block_vectors of output channels x block_channels input channels x the taps of a row (of one tap, where
//            the filter's size is known only at run time), over one part of the pixels; a second kernel adds up the
//            parts
//    panel     block_width x block_height output pixels and the input under them, in shared memory, zero-padded
//      thread    tile_vectors x tile_channels accumulators of one tap, in registers over all panels of the part
//                (lowering/thread_registers.h). A thread's vectors lie apart, so that the threads beside it read
//                adjoining vectors: no bank conflicts.
//
// docs/measurements/gpu.md
#include <algorithm>

#include "families/gpu_filter_direct.h"
#include "families/gpu_filter_generic.h"
#include "schedules/filter.h"
#include "schedules/gpu/tiles.h"

namespace convgrad {

using Halide::Func;
using Halide::MemoryType;
using Halide::RVar;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Var;

namespace {

// The loops of a block's tile, the same in every stage that touches the accumulators.
struct TileLoops {
  Var lane{"lane"}, vector{"vector"}, inner_c{"inner_c"}, lane_c{"lane_c"}, thread{"thread"}, tile_c{"tile_c"},
      rest{"rest"};
  int lanes, threads_k, threads_c;

  template <typename Loops>
  void split(Loops loops, Var k, Var c) const {
    loops.split(k, vector, rest, threads_k * lanes, TailStrategy::GuardWithIf)
        .split(rest, thread, lane, lanes, TailStrategy::GuardWithIf)
        .split(c, inner_c, rest, threads_c * lanes, TailStrategy::GuardWithIf)
        .split(rest, tile_c, lane_c, lanes, TailStrategy::GuardWithIf);
  }

  template <typename Loops>
  void give_to_threads(Loops loops, Var s) const {
    loops.fuse(thread, tile_c, thread).fuse(thread, s, thread).gpu_threads(thread);
    loops.unroll(vector).unroll(inner_c).unroll(lane_c);
  }
};

template <typename Params>
void schedule_filter(const FilterStages &stages, const Params &params) {
  const int lanes = params.lanes;
  const int block_k = params.block_vectors * lanes;
  TileLoops tile;
  tile.lanes = lanes;
  tile.threads_k = params.block_vectors / params.tile_vectors;
  tile.threads_c = params.block_channels / params.tile_channels;
  const int threads = tile.threads_k * tile.threads_c * stages.taps_x;
  Func result = stages.result, sum = stages.sum, partial = stages.partial, total = stages.total,
       input_panel = stages.input_panel, gradient_panel = stages.gradient_panel;
  const Var k = stages.k, c = stages.c, s = stages.s, r = stages.r, x = stages.x, y = stages.y, n = stages.n;

  Var block("block"), block_k_("block_k"), block_s("block_s"), block_r("block_r"), block_part("block_part"),
      in_k("in_k"), in_c("in_c"), in_s("in_s"), in_r("in_r"), in_part("in_part");
  partial.compute_root()
      .split(k, block_k_, in_k, block_k, TailStrategy::GuardWithIf)
      .split(c, block, in_c, params.block_channels, TailStrategy::GuardWithIf)
      .split(s, block_s, in_s, stages.taps_x, TailStrategy::GuardWithIf)
      // By 1: bounds inference sees through a fused split, not through a fused dimension.
      .split(r, block_r, in_r, 1, TailStrategy::GuardWithIf)
      .split(stages.part, block_part, in_part, 1, TailStrategy::GuardWithIf);
  tile.split(partial, in_k, in_c);
  partial
      .reorder({tile.lane, tile.vector, tile.lane_c, tile.inner_c, tile.thread, tile.tile_c, in_s, in_r, in_part, block,
                block_k_, block_s, block_r, block_part})
      .unroll(tile.lane);
  give_to_blocks(partial, block, {block_k_, block_s, block_r, block_part});
  tile.give_to_threads(partial, in_s);

  sum.compute_at(partial, block)
      .store_in(MemoryType::Register)
      .bound_extent(k, block_k)
      .bound_extent(c, params.block_channels)
      .bound_extent(s, stages.taps_x)
      .bound_extent(r, 1)
      .bound_extent(stages.part, 1);
  tile.split(sum, k, c);
  sum.reorder({tile.lane, tile.vector, tile.lane_c, tile.inner_c, tile.thread, tile.tile_c, s, r, stages.part})
      .vectorize(tile.lane);
  tile.give_to_threads(sum, s);

  const RVar q = stages.reduction.x, p = stages.reduction.y, panel = stages.reduction.z;
  RVar step("step"), within("within");
  // ptxas copies the accumulators once an iteration (57 moves for 64 of them, release 13.0): long ones make that 6%.
  int unrolled = std::min(params.block_width, 14);
  while (params.block_width % unrolled != 0) unrolled--;
  Stage update = sum.update();
  tile.split(update, k, c);
  update.split(q, step, within, unrolled)
      .reorder({tile.lane, tile.vector, tile.lane_c, tile.inner_c, within, step, p, tile.thread, tile.tile_c, s, panel,
                r, stages.part})
      .vectorize(tile.lane)
      .unroll(within);
  tile.give_to_threads(update, s);

  const int panel_width = stages.panel_width(params.block_width);
  Var vector("vector"), lane("lane");
  input_panel.compute_at(sum, panel)
      .store_in(MemoryType::GPUShared)
      .bound_extent(c, params.block_channels)
      .bound_extent(x, panel_width)
      .bound_extent(y, params.block_height)
      .bound_extent(n, 1)
      .bound_extent(r, 1)
      .split(c, vector, lane, lanes)
      .vectorize(lane);
  gradient_panel.compute_at(sum, panel)
      .store_in(MemoryType::GPUShared)
      .bound_extent(k, block_k)
      .bound_extent(x, params.block_width)
      .bound_extent(y, params.block_height)
      .bound_extent(n, 1)
      .split(k, vector, lane, lanes)
      .vectorize(lane);
  std::vector<Var> input_loops = {vector, x, y, n, r};
  if (stages.panel_of_one_tap) {
    input_panel.bound_extent(s, 1);
    input_loops.push_back(s);
  }
  share_among_threads(input_panel, input_loops, params.block_channels / lanes * panel_width * params.block_height,
                      threads);
  share_among_threads(gradient_panel, {vector, x, y, n},
                      params.block_vectors * params.block_width * params.block_height, threads);
  input_panel.specialize(stages.input_contiguous);
  gradient_panel.specialize(stages.gradient_contiguous);

  Var thread("thread"), block_c("block_c");
  result.split(k, block, thread, 64, TailStrategy::GuardWithIf)
      .split(c, block_c, in_c, 1, TailStrategy::GuardWithIf)
      .split(s, block_s, in_s, 1, TailStrategy::GuardWithIf)
      .split(r, block_r, in_r, 1, TailStrategy::GuardWithIf)
      .reorder(in_c, in_s, in_r, thread, block, block_c, block_s, block_r)
      .gpu_threads(thread);
  give_to_blocks(result, block, {block_c, block_s, block_r});
  total.compute_at(result, thread)
      .store_in(MemoryType::Register)
      .bound_extent(k, 1)
      .bound_extent(c, 1)
      .bound_extent(s, 1)
      .bound_extent(r, 1);
}

}  // namespace

void GpuFilterGeneric::schedule(const FilterStages &stages, const Params &params) { schedule_filter(stages, params); }

void GpuFilterDirect::schedule(const FilterStages &stages, const Params &params) { schedule_filter(stages, params); }

}  // namespace convgrad
