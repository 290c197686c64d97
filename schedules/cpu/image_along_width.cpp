// conv2d_backprop_input on a CPU for images of few channels and a stride, such as a network's first: vectors run along
// the width. Vectors of result channels would be mostly empty (3 of 16 lanes), and vectors along the reduced channels
// (cpu/image_along_reduction.cpp) have their lanes added up for each value, of which a stride leaves few taps.
//
//   task     block_width vectors x block_height rows of each phase, of block_images images
//    panel     all channels of out_backprop under the task, turned: columns innermost
//     pixels     tile_channels of the task's pixels, as the result has them if it has no more
//      tile        tile_channels x tile_width vectors x tile_height accumulators, of a phase after the other
//
// out_backprop is turned as it is packed, and the phases of a stride are computed together, so that pixels are stored
// side by side. (MobileNetV2's first layer, 3x3, 3 <- 32 channels at 112 x 112: 130 GFLOP/s, 77 along the reduced
// channels, of an FMA peak of 260; AVX-512, Zen 5, one thread, November 2026.) With stride 1 vectors along the reduced
// channels are faster.
//
// The taps of a row are unrolled inside of the loop over channels: of one tap at a time it is too short to pay for
// beginning and end. With AVX-512 four taps of 7x7 spill, which Zen 5 does not mind but Skylake-X would, by llvm-mca:
// so 7x7 is a row of Zen 5's there, and no default. docs/measurements/image_along_width.md
#include "families/image_along_width.h"
#include "schedules/image.h"

namespace convgrad {

using Halide::Func;
using Halide::MemoryType;
using Halide::Partition;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

namespace {

// A side of the panel in lines: an odd number, since a power of two would put all channels of a column into a few sets
// of L1.
int odd_vectors(int columns, int lanes) { return ((columns + lanes - 1) / lanes | 1) * lanes; }

void schedule_panel(const AlongWidthStages &stages, const ImageAlongWidth::Params &params, Var task) {
  const int lanes = params.lanes;
  const Var reduced = stages.reduced, x = stages.x;
  Var lane("lane"), lane_reduced("lane_reduced"), square_x("square_x"), square_reduced("square_reduced"), at("at");
  Func panel = stages.panel;
  panel.compute_at(stages.result, task)
      .align_bounds(x, lanes)
      .store_in(MemoryType::Heap)
      .bound_storage(x, odd_vectors(params.block_width * lanes + stages.halo_x, lanes))
      .bound_storage(reduced, (params.block_reduction + lanes - 1) / lanes * lanes)
      .bound_storage(stages.y, params.block_height + stages.halo_y)
      .bound_storage(stages.n, params.block_images)
      .split(x, square_x, lane, lanes, TailStrategy::RoundUp)
      .split(reduced, square_reduced, lane_reduced, lanes, TailStrategy::RoundUp)
      .reorder(lane, lane_reduced, square_reduced, square_x, stages.y, stages.n)
      .vectorize(lane)
      .unroll(lane_reduced);
  for (Func square : stages.squares) {
    const bool from_memory = square.name() == stages.squares.front().name();
    square.compute_at(panel, square_reduced)
        .store_in(MemoryType::Stack)
        .bound(stages.e, 0, lanes * lanes)
        .split(stages.e, at, lane, from_memory ? lanes : 2 * lanes)
        .vectorize(lane)
        .unroll(at);
    if (from_memory) square.specialize(stages.gradient_in_vectors);
  }
}

}  // namespace

void ImageAlongWidth::schedule(const AlongWidthStages &stages, const Params &params) {
  const int lanes = params.lanes, tile_channels = params.tile_channels;
  const int tile_width = params.tile_width * lanes, block_width = params.block_width * lanes;
  const int group_x = stages.step_x * tile_channels;
  const Var channel = stages.channel, x = stages.x, y = stages.y, n = stages.n;
  Func result = stages.result, pixels = stages.pixels;

  Var task("task"), tile_channel("tile_channel"), block_y("block_y"), block_n("block_n"), run("run");
  const auto schedule_tasks = [&](Stage stage, const std::vector<VarOrRVar> &within_row) {
    std::vector<VarOrRVar> loops = within_row;
    loops.insert(loops.end(), {y, n, tile_channel, task, block_y, block_n});
    stage.split(y, block_y, y, params.block_height * stages.step_y, TailStrategy::GuardWithIf)
        .split(n, block_n, n, params.block_images, TailStrategy::GuardWithIf)
        .reorder(loops)
        .fuse(task, block_y, task)
        .fuse(task, block_n, task)
        .partition(task, Partition::Never)
        .parallel(task);
  };
  Stage in_one_run = result.specialize(stages.result_in_one_run);
  in_one_run.fuse(channel, x, run)
      .split(run, task, run, block_width * group_x, TailStrategy::GuardWithIf)
      .split(task, task, tile_channel, 1)
      .vectorize(run, lanes, TailStrategy::GuardWithIf);
  schedule_tasks(in_one_run, {run});
  result.split(x, task, x, block_width * stages.step_x, TailStrategy::GuardWithIf)
      .split(channel, tile_channel, channel, tile_channels, TailStrategy::GuardWithIf);
  schedule_tasks(result, {channel, x});

  // Unrolled side by side, the strided stores of a group become one interleaved one.
  Var tile_x("tile_x"), tile_y("tile_y"), vector("vector"), lane("lane"), of_group_x("of_group_x"),
      of_group_y("of_group_y");
  pixels.compute_at(result, tile_channel)
      .store_in(MemoryType::Heap)
      .bound_extent(channel, 1)
      .bound_storage(x, block_width * group_x)
      .bound_storage(y, params.block_height * stages.step_y)
      .bound_storage(n, params.block_images)
      .split(x, tile_x, x, tile_width * group_x, TailStrategy::RoundUp)
      .split(x, x, of_group_x, group_x)
      .split(x, vector, lane, lanes)
      .split(y, tile_y, y, params.tile_height * stages.step_y, TailStrategy::RoundUp)
      .split(y, y, of_group_y, stages.step_y)
      .reorder({lane, of_group_x, vector, of_group_y, y, tile_x, tile_y, n})
      .vectorize(lane)
      .unroll(of_group_x)
      .unroll(vector)
      .unroll(of_group_y)
      .unroll(y);
  for (const AlongWidthStages::Sum &sum : stages.sums) {
    Func tile = sum.tile;
    tile.compute_at(pixels, tile_x)
        .store_in(MemoryType::Stack)
        .reorder_storage(x, channel, y, n)
        .bound_extent(x, tile_width)
        .bound_extent(y, params.tile_height)
        .bound_extent(channel, tile_channels)
        .split(x, vector, lane, lanes)
        .vectorize(lane)
        .unroll(vector)
        .unroll(channel)
        .unroll(y);
    tile.update()
        .split(x, vector, lane, lanes)
        .reorder({lane, channel, vector, y, sum.reduction.y, sum.reduction.x, sum.reduction.z})
        .unroll(sum.reduction.y)
        .vectorize(lane)
        .unroll(vector)
        .unroll(channel)
        .unroll(y);
  }
  schedule_panel(stages, params, task);
  if (params.prefetch != 0) stages.prefetch({in_one_run, result}, task, stages.sums.front().tile);
}

}  // namespace convgrad
