// conv2d and conv2d_backprop_input on a CPU where the reduced channels are so few that one panel holds them: as
// cpu/image.cpp, but a register tile is summed up whole and stored at once. Sums that wait in scratch for the next
// panel cost a zero, an addition and a copy for each element, and the copy waits for memory while nothing is
// multiplied: with 64 reduced channels (ResNet-50's 1x1 256 -> 64 at 56 x 56, Zen 3, one thread, November 2026) that
// was 40% of the time.
//
//   task     block_vectors of channels x block_width x block_height pixels of block_images images
//    panel     all channels of the image under the task, zero-padded
//     filter     one register tile's channels of the filter
//      tile        tile_vectors x tile_width x tile_height accumulators in registers
#include "schedules/cpu/image.h"

namespace convgrad {

using Halide::Func;
using Halide::MemoryType;
using Halide::Partition;
using Halide::TailStrategy;
using Halide::Var;

void schedule_image_in_one_panel(const ImageStages &stages, const ImageScheduleParams &params) {
  const int lanes = params.lanes;
  const int tile_channels = params.tile_vectors * lanes;
  Func result = stages.result, sum = stages.sum, image_panel = stages.image_panel;
  const Var channel = stages.channel, reduced = stages.reduced, x = stages.x, y = stages.y, n = stages.n;

  const TileLoops loops;
  Var vector("vector"), lane("lane");
  result.split(channel, vector, lane, lanes, TailStrategy::GuardWithIf)
      .split(vector, loops.tile_channel, vector, params.tile_vectors, TailStrategy::GuardWithIf);
  tile_result(stages, params, loops, params.block_vectors / params.tile_vectors, {lane, vector});
  result.vectorize(lane).unroll(vector);

  sum.compute_at(result, loops.tile_x)
      .store_in(MemoryType::Stack)
      .bound_extent(channel, tile_channels)
      .bound_extent(x, params.tile_width)
      .bound_extent(y, params.tile_height)
      .split(channel, vector, lane, lanes)
      .vectorize(lane)
      .unroll(vector)
      .unroll(x)
      .unroll(y);
  sum.update()
      .split(channel, vector, lane, lanes)
      .reorder({lane, vector, x, y, stages.reduction.x, stages.reduction.y, stages.reduction.z})
      .vectorize(lane)
      .unroll(vector)
      .unroll(x)
      .unroll(y);

  image_panel.compute_at(result, loops.task)
      .store_in(MemoryType::Heap)
      .bound_storage(reduced, params.block_reduction + lanes)
      .bound_storage(x, stages.panel_width(params.block_width))
      .bound_storage(y, stages.panel_height(params.block_height))
      .bound_storage(n, params.block_images)
      .vectorize(reduced, lanes, TailStrategy::GuardWithIf);
  schedule_filter_panel(stages, result, loops.tile_channel, tile_channels, params.block_reduction, lanes);
}

}  // namespace convgrad
