// conv2d and conv2d_backprop_input on a CPU: an implicit matrix product whose rows are pixels, whose columns are result
// channels (vectors), and whose reduction is channels and taps.
//
//   task     block_vectors of channels x block_width x block_height pixels of block_images images; its sums live in
//            scratch
//    panel     block_reduction channels of the image, zero-padded: the innermost loop then has no conditions
//     filter     one register tile's channels of the filter, which stay in L1
//      tile        tile_vectors x tile_width x tile_height x tile_images accumulators in registers
//
// Panels are repacked for each task, and not kept for the whole tensor, whose strided reads would thrash L1 and whose
// size would be known only at run time. Where one panel can hold all reduced channels the family one_panel is faster
// (cpu/image_one_panel.cpp), as sums that wait for the next panel wait for memory. docs/measurements/image_direct.md
#include <utility>
#include <vector>

#include "families/image_direct.h"
#include "families/image_generic.h"
#include "schedules/image.h"
#include "schedules/image_tiling.h"

namespace convgrad {

using Halide::Func;
using Halide::MemoryType;
using Halide::Partition;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;

namespace {

// The piece of the filter under the loop `tile_channel` over so many channels of the result.
void schedule_filter_panel(const ImageStages &stages, Func consumer, Var tile_channel, int tile_channels,
                           int block_reduction, int lanes) {
  const Var channel = stages.channel, reduced = stages.reduced;
  Var vector("vector"), lane("lane");
  Func filter_panel = stages.filter_panel;
  filter_panel.compute_at(consumer, tile_channel)
      .store_in(MemoryType::Heap)
      .bound_storage(channel, tile_channels)
      .bound_extent(channel, tile_channels)
      .bound_storage(reduced, block_reduction)
      .split(channel, vector, lane, lanes)
      .reorder(lane, reduced, stages.s, stages.r, vector);
  if (stages.panel_of_one_tap) {
    filter_panel.bound_storage(stages.s, 1).bound_storage(stages.r, 1);
  }
  if (stages.filter_contiguous.defined()) {
    filter_panel.specialize(stages.filter_contiguous).vectorize(lane);
  } else {
    filter_panel.vectorize(lane);
  }
}

void schedule_in_panels(const ImageStages &stages, const ImageTiling &tiling) {
  const int lanes = tiling.lanes;
  Func result = stages.result, sum = stages.sum, image_panel = stages.image_panel;
  const Var channel = stages.channel, reduced = stages.reduced, x = stages.x, y = stages.y, n = stages.n;

  Var block("block"), block_y("block_y"), block_n("block_n"), task("task"), vector("vector"), lane("lane"),
      inner_x("inner_x"), inner_y("inner_y"), inner_n("inner_n");
  result.split(channel, block, lane, lanes, TailStrategy::GuardWithIf)
      .split(block, block, vector, tiling.block_channels / lanes, TailStrategy::GuardWithIf)
      .split(x, task, inner_x, tiling.block_width, TailStrategy::GuardWithIf)
      .split(y, block_y, inner_y, tiling.block_height, TailStrategy::GuardWithIf)
      .split(n, block_n, inner_n, tiling.block_images, TailStrategy::GuardWithIf)
      .reorder(lane, vector, inner_x, inner_y, inner_n, block, task, block_y, block_n)
      .fuse(block, task, task)
      .fuse(task, block_y, task)
      .fuse(task, block_n, task)
      .partition(task, Partition::Never)
      .parallel(task)
      .vectorize(lane);

  // The sums of a task. Each panel's part of a sum is a Func of its own (rfactor), small enough for registers.
  RVar panel("panel"), within("within");
  Var part("part"), part_s("part_s"), part_r("part_r");
  sum.update().split(stages.reduction.x, panel, within, tiling.block_reduction, TailStrategy::GuardWithIf);
  std::vector<std::pair<RVar, Var>> kept = {{panel, part}};
  if (stages.panel_of_one_tap) {
    kept.push_back({stages.reduction.y, part_s});
    kept.push_back({stages.reduction.z, part_r});
  }
  Func tile = sum.update().rfactor(kept);

  Var tile_channel("tile_channel"), tile_x("tile_x"), tile_y("tile_y"), tile_n("tile_n");
  sum.compute_at(result, task)
      .store_in(MemoryType::Heap)
      .bound_storage(channel, tiling.block_channels + lanes)
      .bound_storage(x, tiling.block_width)
      .bound_storage(y, tiling.block_height)
      .bound_storage(n, tiling.block_images)
      .vectorize(channel, lanes, TailStrategy::RoundUp);
  std::vector<Halide::VarOrRVar> loops = {lane,   vector, inner_x, inner_y,     inner_n,
                                          tile_x, tile_y, tile_n,  tile_channel};
  if (stages.panel_of_one_tap) {
    loops.insert(loops.end(), {stages.reduction.y, stages.reduction.z});
  }
  loops.push_back(panel);
  sum.update()
      .split(channel, tile_channel, vector, tiling.tile_channels, TailStrategy::RoundUp)
      .split(vector, vector, lane, lanes)
      .split(x, tile_x, inner_x, tiling.tile_width, TailStrategy::RoundUp)
      .split(y, tile_y, inner_y, tiling.tile_height, TailStrategy::RoundUp)
      .split(n, tile_n, inner_n, tiling.tile_images, TailStrategy::RoundUp)
      .reorder(loops)
      .partition(panel, Partition::Never)
      .partition(tile_channel, Partition::Never)
      .vectorize(lane)
      .unroll(vector)
      .unroll(inner_x)
      .unroll(inner_y)
      .unroll(inner_n);

  tile.compute_at(sum, tile_x)
      .store_in(MemoryType::Stack)
      .bound_extent(channel, tiling.tile_channels)
      .bound_extent(x, tiling.tile_width)
      .bound_extent(y, tiling.tile_height)
      .bound_extent(n, tiling.tile_images)
      .split(channel, vector, lane, lanes)
      .vectorize(lane)
      .unroll(vector)
      .unroll(x)
      .unroll(y)
      .unroll(n);
  loops = {lane, vector, x, y, n, within};
  if (!stages.panel_of_one_tap) {
    loops.insert(loops.end(), {stages.reduction.y, stages.reduction.z});
  }
  tile.update()
      .split(channel, vector, lane, lanes)
      .reorder(loops)
      .vectorize(lane)
      .unroll(vector)
      .unroll(x)
      .unroll(y)
      .unroll(n);

  image_panel.compute_at(sum, stages.panel_of_one_tap ? stages.reduction.y : panel)
      .store_in(MemoryType::Heap)
      .bound_storage(reduced, tiling.block_reduction)
      .bound_storage(x, stages.panel_width(tiling.block_width))
      .bound_storage(y, stages.panel_height(tiling.block_height))
      .bound_storage(n, tiling.block_images);
  if (stages.panel_of_one_tap) {
    image_panel.bound_storage(stages.s, 1).bound_storage(stages.r, 1);
  }
  if (stages.image_contiguous.defined()) {
    image_panel.specialize(stages.image_contiguous).vectorize(reduced, lanes, TailStrategy::GuardWithIf);
  } else {
    image_panel.vectorize(reduced, lanes, TailStrategy::GuardWithIf);
  }
  schedule_filter_panel(stages, sum, tile_channel, tiling.tile_channels, tiling.block_reduction, lanes);
}

}  // namespace

void ImageGeneric::schedule(const ImageStages &stages, const Params &params) {
  schedule_in_panels(stages, ImageTiling::of_vectors(params, 1));
}

void ImageDirect::schedule(const ImageStages &stages, const Params &params) {
  schedule_in_panels(stages, ImageTiling::of_vectors(params, params.tile_images));
}

}  // namespace convgrad
