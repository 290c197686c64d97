// conv2d_backprop_filter on a CPU: an implicit matrix product whose rows are input channels, whose columns are output
// channels (vectors), and whose reduction is output pixels, once for each filter tap.
//
//   task     block_vectors of output channels x block_channels input channels, all taps (or one tap, where the filter's
//            size is known only at run time); its sums live in scratch. No reduction is ever split among tasks, so the
//            result has the same bits for any number of threads.
//    panel     the input under block_width x block_height output pixels, zero-padded; one vector more a pixel, so that
//              its pitch is no power of two
//      strip     one register tile's output channels of these pixels, which stay in L1 while the panel goes by
//        tile      tile_vectors x tile_channels x tile_taps accumulators in registers
//
// How an operand comes to the tile is the row's choice:
//   strips          the usual way. (Packed for all of a block, strided reads took a third of the time: ResNet-50's 1x1
//                   layers at 62% of the FMA peak, with strips at 84 to 88%; AVX2, Zen 3, November 2026.)
//   whole_rows      few input channels leave too little to compute while a strip's scattered lines are waited for: the
//                   block's channels are packed in the order of memory.
//   in_place        often even that does not pay. It wants channels in whole vectors: others are read lane by lane.
//   input_in_place  a filter of 1x1 meets no padding (positions that would are trimmed), so that the input's pixels are
//                   contiguous channels too.
//   prefetch        the next panel's comes to L2 meanwhile, where tensors exceed L3; of what is packed on some CPUs.
//   tile_taps       few input channels leave a tile few accumulators, and each FMA waits for one: then it has the taps
//                   of a row too.
// The family along_input, where output channels do not fill vectors and there is one tap, has all but tile_taps with
// the operands exchanged (in_place is still of out_backprop); its result is written value by value.
// What each gains and where, and what was tried without gain: docs/measurements/filter_direct.md
#include <vector>

#include "families/filter_along_input.h"
#include "families/filter_direct.h"
#include "families/filter_generic.h"
#include "schedules/filter.h"

namespace convgrad {

using Halide::Expr;
using Halide::Func;
using Halide::MemoryType;
using Halide::Partition;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

namespace {

// The three families' numbers. One operand has vectors, of channels k, the other single values, of channels c.
struct Tiling {
  int tile_vectors, tile_channels, tile_taps = 1;
  int block_vectors, block_channels, block_width, block_height;
  int lanes;
  bool whole_rows;
  bool vectors_in_place = false, values_in_place = false, prefetch = false;
  bool along_input = false;  // vectors are of the input

  template <typename Params>
  explicit Tiling(const Params &params)
      : tile_vectors(params.tile_vectors),
        tile_channels(params.tile_channels),
        block_vectors(params.block_vectors),
        block_channels(params.block_channels),
        block_width(params.block_width),
        block_height(params.block_height),
        lanes(params.lanes),
        whole_rows(params.whole_rows != 0) {}
};

void schedule_filter(const FilterStages &stages, const Tiling &tiling) {
  const int lanes = tiling.lanes;
  const int tile_k = tiling.tile_vectors * lanes;
  const int block_k = tiling.block_vectors * lanes;
  Func result = stages.result, sum = stages.sum;
  const bool along_input = tiling.along_input;
  Func vectors = along_input ? stages.input_panel : stages.gradient_panel;
  Func values = along_input ? stages.gradient_panel : stages.input_panel;
  const Expr vectors_contiguous = along_input ? stages.input_contiguous : stages.gradient_contiguous;
  const Expr values_contiguous = along_input ? stages.gradient_contiguous : stages.input_contiguous;
  const Var k = along_input ? stages.c : stages.k, c = along_input ? stages.k : stages.c;
  const Var s = stages.s, r = stages.r, x = stages.x, y = stages.y, n = stages.n;

  Var block("block"), task("task"), tap("tap"), tap_r("tap_r"), vector("vector"), lane("lane"), inner_c("inner_c"),
      inner_s("inner_s"), inner_r("inner_r"), tile_s("tile_s");
  result.split(c, block, inner_c, tiling.block_channels, TailStrategy::GuardWithIf)
      .split(k, vector, lane, lanes, TailStrategy::GuardWithIf)
      .split(vector, task, vector, tiling.block_vectors, TailStrategy::GuardWithIf);
  if (stages.panel_of_one_tap) {
    // Split by 1: bounds inference sees through a fused split, not through a fused dimension.
    result.split(s, tap, inner_s, 1, TailStrategy::GuardWithIf)
        .split(r, tap_r, inner_r, 1, TailStrategy::GuardWithIf)
        .reorder(lane, vector, inner_c, inner_s, inner_r, block, task, tap, tap_r)
        .fuse(block, task, task)
        .fuse(task, tap, task)
        .fuse(task, tap_r, task);
  } else if (along_input) {
    result.reorder(inner_c, lane, vector, s, r, block, task).fuse(block, task, task);
  } else {
    result.reorder(lane, vector, inner_c, s, r, block, task).fuse(block, task, task);
  }
  result.partition(task, Partition::Never).parallel(task);
  if (!along_input) result.vectorize(lane);

  // The sums of a task. Each panel's part of a sum is a Func of its own (rfactor), small enough for registers.
  RVar panel_x("panel_x"), panel_y("panel_y"), within_x("within_x"), within_y("within_y");
  Var part_x("part_x"), part_y("part_y"), part_n("part_n");
  sum.update()
      .split(stages.reduction.x, panel_x, within_x, tiling.block_width, TailStrategy::GuardWithIf)
      .split(stages.reduction.y, panel_y, within_y, tiling.block_height, TailStrategy::GuardWithIf);
  Func tile = sum.update().rfactor({{panel_x, part_x}, {panel_y, part_y}, {stages.reduction.z, part_n}});

  Var tile_kv("tile_k"), tile_c("tile_c");
  sum.compute_at(result, task)
      .store_in(MemoryType::Heap)
      .reorder_storage(k, c, s, r)
      .bound_storage(k, block_k)
      .bound_storage(c, tiling.block_channels)
      .vectorize(k, lanes, TailStrategy::RoundUp);
  if (stages.panel_of_one_tap) {
    sum.bound_storage(s, 1).bound_storage(r, 1);
    values.bound_storage(s, 1).bound_storage(r, 1);
  }
  sum.update()
      .split(c, tile_c, inner_c, tiling.tile_channels, TailStrategy::RoundUp)
      .split(k, tile_kv, vector, tile_k, TailStrategy::RoundUp)
      .split(vector, vector, lane, lanes)
      .split(s, tile_s, inner_s, tiling.tile_taps)
      .reorder({lane, vector, inner_c, inner_s, tile_c, tile_s, r, tile_kv, panel_x, panel_y, stages.reduction.z})
      .partition(tile_kv, Partition::Never)
      .partition(panel_x, Partition::Never)
      .partition(panel_y, Partition::Never)
      .vectorize(lane)
      .unroll(vector)
      .unroll(inner_c)
      .unroll(inner_s);

  tile.compute_at(sum, tile_c)
      .store_in(MemoryType::Stack)
      .reorder_storage(k, c, s, r)
      .bound_extent(k, tile_k)
      .bound_extent(c, tiling.tile_channels)
      .bound_extent(s, tiling.tile_taps)
      .split(k, vector, lane, lanes)
      .vectorize(lane)
      .unroll(vector)
      .unroll(c)
      .unroll(s);
  // The operand that there are fewer of stays in registers: the other order spills.
  std::vector<VarOrRVar> loops = {lane, vector, c, s, within_x, within_y};
  if (tiling.tile_channels * tiling.tile_taps < tiling.tile_vectors) loops = {lane, c, s, vector, within_x, within_y};
  tile.update().split(k, vector, lane, lanes).reorder(loops).vectorize(lane).unroll(vector).unroll(c).unroll(s);

  // A generic kernel's channels may be far apart: then they are copied one by one. Those of a direct one may end in a
  // part of a vector, which wants other code.
  // A strip's reads are far apart in memory, so that nothing but their own number hides its latency: without a loop's
  // instructions between them more are under way at once.
  const auto copy_vectors = [&](Func panel, const Var &channel, const Expr &contiguous, bool is_strip) {
    if (stages.panel_of_one_tap) {
      panel.specialize(contiguous).vectorize(channel, lanes, TailStrategy::RoundUp);
    } else {
      panel.vectorize(channel, lanes, TailStrategy::RoundUp);
      if (is_strip) panel.unroll(channel).partition(channel, Partition::Never);
      panel.specialize(contiguous);
    }
  };
  if (tiling.prefetch) stages.prefetch({sum.update()}, panel_x, tile);
  if (!tiling.values_in_place) {
    values.compute_at(sum, panel_x)
        .store_in(MemoryType::Heap)
        .bound_storage(c, tiling.block_channels + lanes)
        .bound_storage(x, stages.panel_width(tiling.block_width))
        .bound_storage(y, stages.panel_height(tiling.block_height));
    if (!stages.panel_of_one_tap && tiling.block_channels < lanes) {
      // Lane by lane, since a vector of few channels would be gathered.
      values.bound_extent(c, tiling.block_channels).unroll(c);
    } else {
      copy_vectors(values, c, values_contiguous, false);
    }
  }
  if (tiling.vectors_in_place) {
    tile.update().specialize(vectors_contiguous);
  } else {
    vectors.store_in(MemoryType::Heap).bound_storage(x, tiling.block_width).bound_storage(y, tiling.block_height);
    if (tiling.whole_rows) {
      vectors.compute_at(sum, panel_x).bound_storage(k, block_k + lanes);
    } else {
      vectors.compute_at(sum, tile_kv).bound_extent(k, tile_k).bound_storage(k, tile_k);
    }
    copy_vectors(vectors, k, vectors_contiguous, !tiling.whole_rows);
  }
}

}  // namespace

void FilterGeneric::schedule(const FilterStages &stages, const Params &params) {
  schedule_filter(stages, Tiling(params));
}

void FilterDirect::schedule(const FilterStages &stages, const Params &params) {
  Tiling tiling(params);
  tiling.tile_taps = params.tile_taps;
  tiling.vectors_in_place = params.in_place != 0;
  tiling.values_in_place = params.input_in_place != 0;
  tiling.prefetch = params.prefetch != 0;
  schedule_filter(stages, tiling);
}

void FilterAlongInput::schedule(const FilterStages &stages, const Params &params) {
  Tiling tiling(params);
  tiling.along_input = true;
  tiling.vectors_in_place = params.input_in_place != 0;
  tiling.values_in_place = params.in_place != 0;
  tiling.prefetch = params.prefetch != 0;
  schedule_filter(stages, tiling);
}

}  // namespace convgrad
