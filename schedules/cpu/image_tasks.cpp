#include "schedules/cpu/image_tasks.h"

namespace convgrad {

using Halide::Func;
using Halide::Partition;
using Halide::TailStrategy;
using Halide::Var;

void tile_result(const ImageStages &stages, const ImageTiling &tiling, const TileLoops &loops,
                 std::vector<Halide::VarOrRVar> channels_of_tile) {
  const Var task = loops.task, tile_channel = loops.tile_channel, tile_x = loops.tile_x;
  Var block("block"), block_y("block_y"), block_n("block_n"), inner_x("inner_x"), tile_y("tile_y"), inner_y("inner_y"),
      tile_n("tile_n"), inner_n("inner_n");
  channels_of_tile.insert(channels_of_tile.end(), {inner_x, inner_y, inner_n, tile_x, tile_y, tile_n, tile_channel,
                                                   block, task, block_y, block_n});
  Func(stages.result)
      .split(tile_channel, block, tile_channel, tiling.block_channels / tiling.tile_channels, TailStrategy::GuardWithIf)
      .split(stages.x, tile_x, inner_x, tiling.tile_width, TailStrategy::GuardWithIf)
      .split(tile_x, task, tile_x, tiling.block_width / tiling.tile_width, TailStrategy::GuardWithIf)
      .split(stages.y, tile_y, inner_y, tiling.tile_height, TailStrategy::GuardWithIf)
      .split(tile_y, block_y, tile_y, tiling.block_height / tiling.tile_height, TailStrategy::GuardWithIf)
      .split(stages.n, tile_n, inner_n, tiling.tile_images, TailStrategy::GuardWithIf)
      .split(tile_n, block_n, tile_n, tiling.block_images / tiling.tile_images, TailStrategy::GuardWithIf)
      .reorder(channels_of_tile)
      .fuse(block, task, task)
      .fuse(task, block_y, task)
      .fuse(task, block_n, task)
      .partition(task, Partition::Never)
      .partition(tile_x, Partition::Never)
      .partition(tile_y, Partition::Never)
      .partition(tile_n, Partition::Never)
      .parallel(task)
      .unroll(inner_x)
      .unroll(inner_y)
      .unroll(inner_n);
}

}  // namespace convgrad
