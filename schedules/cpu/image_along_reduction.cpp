// conv2d_backprop_input on a CPU for images of few channels, such as a network's first: vectors of result channels
// would be mostly empty (3 of 8 lanes), so vectors run along the reduced channels, each a partial sum of one element,
// whose lanes are added up at the end. Both operands are contiguous along that side in memory. One panel holds all
// reduced channels; both panels are zero beyond them, up to whole vectors.
//
//   task     block_channels x block_width x block_height pixels of block_images images
//    panel     all reduced channels of the image under the task
//     filter     one register tile's channels of the filter
//      tile        tile_channels x tile_width x tile_height accumulators, each a vector
//
// docs/measurements/image_along_reduction.md
#include "families/image_along_reduction.h"
#include "schedules/cpu/image_tasks.h"

namespace convgrad {

using Halide::Func;
using Halide::MemoryType;
using Halide::Partition;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;

void ImageAlongReduction::schedule(const ImageStages &stages, const Params &params) {
  const int lanes = params.lanes, tile_channels = params.tile_channels;
  const int whole_reduction = (params.block_reduction + lanes - 1) / lanes * lanes;
  Func result = stages.result, sum = stages.sum, image_panel = stages.image_panel, filter_panel = stages.filter_panel;
  const Var channel = stages.channel, reduced = stages.reduced, x = stages.x, y = stages.y, n = stages.n;

  const TileLoops loops;
  Var inner_channel("inner_channel");
  result.split(channel, loops.tile_channel, inner_channel, tile_channels, TailStrategy::GuardWithIf);
  tile_result(stages, ImageTiling::of(params, tile_channels, params.block_channels, 1), loops, {inner_channel});
  result.partition(loops.tile_channel, Partition::Never).unroll(inner_channel);

  // A vector of partial sums for each element of the tile.
  RVar vector("vector"), within("within");
  Var lane("lane");
  sum.update().split(stages.reduction.x, vector, within, lanes, TailStrategy::GuardWithIf);
  Func partial = sum.update().rfactor(within, lane);
  for (Func tile : {sum, partial}) {
    tile.compute_at(result, loops.tile_x)
        .store_in(MemoryType::Stack)
        .bound_extent(channel, tile_channels)
        .bound_extent(x, params.tile_width)
        .bound_extent(y, params.tile_height)
        .unroll(channel)
        .unroll(x)
        .unroll(y);
  }
  partial.reorder_storage(lane, channel, x, y, n).vectorize(lane);
  partial.update()
      .reorder({lane, channel, x, y, vector, stages.reduction.y, stages.reduction.z})
      .vectorize(lane)
      .unroll(channel)
      .unroll(x)
      .unroll(y);
  sum.update().atomic().reorder(within, channel, x, y).vectorize(within).unroll(channel).unroll(x).unroll(y);

  image_panel.compute_at(result, loops.task)
      .store_in(MemoryType::Heap)
      .bound_storage(reduced, whole_reduction + lanes)
      .bound_storage(x, stages.panel_width(params.block_width))
      .bound_storage(y, stages.panel_height(params.block_height))
      .bound_storage(n, params.block_images)
      .vectorize(reduced, lanes, TailStrategy::RoundUp);
  filter_panel.compute_at(result, loops.tile_channel)
      .store_in(MemoryType::Heap)
      .reorder_storage(reduced, channel, stages.s, stages.r)
      .bound_storage(channel, tile_channels)
      .bound_extent(channel, tile_channels)
      .bound_storage(reduced, whole_reduction)
      .reorder(reduced, channel, stages.s, stages.r)
      .vectorize(reduced, lanes, TailStrategy::RoundUp);
}

}  // namespace convgrad
