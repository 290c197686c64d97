// conv2d and conv2d_backprop_input on a CPU where one panel holds all reduced channels: as cpu/image.cpp, but a
// register tile is summed up whole and stored at once, and the filter is packed once a call, before the tasks.
//
//   filter   all of it, a register tile's channels after the other's
//   task     block_vectors of channels x block_width x block_height pixels of block_images images
//    panel     all channels of the image under the task, zero-padded
//      tile        tile_vectors x tile_width x tile_height x tile_images accumulators in registers
//
// Sums that wait in scratch for the next panel cost a zero, an addition and a copy for each element, and the copy waits
// for memory. A filter packed by each task is read as often as there are tasks, so that tasks must be large, and then
// the panel leaves little of L2; packed once, few pixels make a task. (ResNet-50's 1x1 input gradients: 88 to 95
// GFLOP/s, 82 to 85 before, of an FMA peak of 101; AVX2, Zen 3, one thread, November 2026.) A tile's part of the filter
// need not stay in L1: L2 delivers it fast enough.
//
// prefetch: where the image is too large for L3 and results have few channels, tasks wait for it, so that the next
// task's comes meanwhile; from L3 there is nothing to wait for, and the calls cost.
// docs/measurements/image_one_panel.md
#include "families/image_one_panel.h"
#include "schedules/cpu/image_tasks.h"

namespace convgrad {

using Halide::Func;
using Halide::MemoryType;
using Halide::Partition;
using Halide::TailStrategy;
using Halide::Var;

void ImageOnePanel::schedule(const ImageStages &stages, const Params &params) {
  const int lanes = params.lanes;
  const int tile_channels = params.tile_vectors * lanes;
  Func result = stages.result, sum = stages.sum, image_panel = stages.image_panel;
  const Var channel = stages.channel, reduced = stages.reduced, x = stages.x, y = stages.y, n = stages.n;

  const TileLoops loops;
  Var vector("vector"), lane("lane");
  result.split(channel, vector, lane, lanes, TailStrategy::GuardWithIf)
      .split(vector, loops.tile_channel, vector, params.tile_vectors, TailStrategy::GuardWithIf);
  tile_result(stages, ImageTiling::of_vectors(params, params.tile_images), loops, {lane, vector});
  result.vectorize(lane).unroll(vector);

  sum.compute_at(result, loops.tile_x)
      .store_in(MemoryType::Stack)
      .bound_extent(channel, tile_channels)
      .bound_extent(stages.filter_tile, 1)
      .bound_extent(x, params.tile_width)
      .bound_extent(y, params.tile_height)
      .bound_extent(n, params.tile_images)
      .split(channel, vector, lane, lanes)
      .vectorize(lane)
      .unroll(vector)
      .unroll(x)
      .unroll(y)
      .unroll(n);
  sum.update()
      .split(channel, vector, lane, lanes)
      .reorder({lane, vector, x, y, n, stages.reduction.x, stages.reduction.y, stages.reduction.z})
      .vectorize(lane)
      .unroll(vector)
      .unroll(x)
      .unroll(y)
      .unroll(n);

  image_panel.compute_at(result, loops.task)
      .store_in(MemoryType::Heap)
      .bound_storage(reduced, params.block_reduction + lanes)
      .bound_storage(x, stages.panel_width(params.block_width))
      .bound_storage(y, stages.panel_height(params.block_height))
      .bound_storage(n, params.block_images)
      .vectorize(reduced, lanes, TailStrategy::GuardWithIf);

  Func filter_panel = stages.filter_panel;
  filter_panel.compute_root()
      .store_in(MemoryType::Heap)
      .bound(channel, 0, tile_channels)
      .bound(reduced, 0, stages.reduction.x.extent())
      .bound(stages.filter_tile, 0, stages.filter_tiles)
      .split(channel, vector, lane, lanes)
      .reorder(lane, reduced, vector, stages.s, stages.r, stages.filter_tile)
      .vectorize(lane)
      .parallel(stages.filter_tile);
  if (params.prefetch != 0) stages.prefetch({result}, loops.task, sum);
}

}  // namespace convgrad
