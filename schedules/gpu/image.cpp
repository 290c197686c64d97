// conv2d and conv2d_backprop_input on a GPU: an implicit matrix product whose rows are pixels, whose columns are result
// channels, and whose reduction is channels and taps.
//
//   block    block_vectors of channels x block_width x block_height x block_images pixels
//    panel     block_reduction channels of the image and all taps, in shared memory, zero-padded by those who fill it:
//              the innermost loop has no conditions
//      thread    tile_vectors x tile_width x tile_height accumulators, which stay in registers over all panels
//                (lowering/thread_registers.h makes them so). A thread's vectors of channels lie apart, so that the
//                threads beside it read adjoining vectors of a filter's row: no bank conflicts.
//
// docs/measurements/gpu.md
#include "schedules/image.h"
#include "families/gpu_image_direct.h"
#include "families/gpu_image_generic.h"
#include "schedules/gpu/tiles.h"
#include "schedules/image_tiling.h"

namespace convgrad {

using Halide::Func;
using Halide::MemoryType;
using Halide::RVar;
using Halide::Stage;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

namespace {

// The loops of a block's tile: who computes what. The same in every stage that touches the accumulators.
struct TileLoops {
  Var lane{"lane"}, vector{"vector"}, inner_x{"inner_x"}, inner_y{"inner_y"}, thread{"thread"}, tile_x{"tile_x"},
      tile_y{"tile_y"}, rest{"rest"};

  template <typename Loops>
  void split(Loops loops, const ImageTiling &tiling, Var channel, Var x, Var y) {
    const int stride = tiling.block_channels / tiling.tile_channels * tiling.lanes;
    loops.split(channel, vector, rest, stride, TailStrategy::GuardWithIf)
        .split(rest, thread, lane, tiling.lanes, TailStrategy::GuardWithIf)
        .split(x, tile_x, inner_x, tiling.tile_width, TailStrategy::GuardWithIf)
        .split(y, tile_y, inner_y, tiling.tile_height, TailStrategy::GuardWithIf);
  }

  template <typename Loops>
  void give_to_threads(Loops loops, Var n) {
    loops.fuse(thread, tile_x, thread).fuse(thread, tile_y, thread).fuse(thread, n, thread).gpu_threads(thread);
    loops.unroll(vector).unroll(inner_x).unroll(inner_y);
  }
};

void schedule_image(const ImageStages &stages, const ImageTiling &tiling) {
  const int lanes = tiling.lanes;
  const int block_channels = tiling.block_channels;
  const int threads = block_channels / tiling.tile_channels * (tiling.block_width / tiling.tile_width) *
                      (tiling.block_height / tiling.tile_height) * tiling.block_images;
  Func result = stages.result, sum = stages.sum, image_panel = stages.image_panel, filter_panel = stages.filter_panel;
  const Var channel = stages.channel, reduced = stages.reduced, x = stages.x, y = stages.y, n = stages.n;

  Var block("block"), block_x("block_x"), block_y("block_y"), block_n("block_n"), in_channel("in_channel"),
      in_x("in_x"), in_y("in_y"), in_n("in_n");
  TileLoops tile;
  result.split(channel, block, in_channel, block_channels, TailStrategy::GuardWithIf)
      .split(x, block_x, in_x, tiling.block_width, TailStrategy::GuardWithIf)
      .split(y, block_y, in_y, tiling.block_height, TailStrategy::GuardWithIf)
      .split(n, block_n, in_n, tiling.block_images, TailStrategy::GuardWithIf);
  tile.split(result, tiling, in_channel, in_x, in_y);
  result
      .reorder({tile.lane, tile.vector, tile.inner_x, tile.inner_y, tile.thread, tile.tile_x, tile.tile_y, in_n, block,
                block_x, block_y, block_n})
      .unroll(tile.lane);
  give_to_blocks(result, block, {block_x, block_y, block_n});
  tile.give_to_threads(result, in_n);

  sum.compute_at(result, block)
      .store_in(MemoryType::Register)
      .bound_extent(channel, block_channels)
      .bound_extent(x, tiling.block_width)
      .bound_extent(y, tiling.block_height)
      .bound_extent(n, tiling.block_images);
  tile.split(sum, tiling, channel, x, y);
  sum.reorder({tile.lane, tile.vector, tile.inner_x, tile.inner_y, tile.thread, tile.tile_x, tile.tile_y, n})
      .vectorize(tile.lane);
  tile.give_to_threads(sum, n);

  // Four channels of a pixel are one load; the taps of a row share their pixels.
  RVar panel("panel"), within("within"), step("step");
  const RVar s = stages.reduction.y, r = stages.reduction.z;
  Stage update = sum.update();
  update.split(stages.reduction.x, panel, within, tiling.block_reduction).split(within, step, within, lanes);
  tile.split(update, tiling, channel, x, y);
  std::vector<VarOrRVar> loops = {tile.lane, tile.vector, tile.inner_x, tile.inner_y};
  if (stages.panel_of_one_tap) {
    loops.insert(loops.end(), {within, step, tile.thread, tile.tile_x, tile.tile_y, n, s, r, panel});
  } else {
    loops.insert(loops.end(), {s, within, step, r, tile.thread, tile.tile_x, tile.tile_y, n, panel});
    update.unroll(s);
  }
  update.reorder(loops).vectorize(tile.lane).unroll(within);
  tile.give_to_threads(update, n);

  const VarOrRVar at = stages.panel_of_one_tap ? VarOrRVar(s) : VarOrRVar(panel);
  const int panel_width = stages.panel_width(tiling.block_width),
            panel_height = stages.panel_height(tiling.block_height);
  Var vector("vector"), lane("lane");
  image_panel.compute_at(sum, at.rvar)
      .store_in(MemoryType::GPUShared)
      .bound_extent(reduced, tiling.block_reduction)
      .bound_extent(x, panel_width)
      .bound_extent(y, panel_height)
      .bound_extent(n, tiling.block_images)
      .split(reduced, vector, lane, lanes)
      .vectorize(lane);
  std::vector<Var> image_loops = {vector, x, y, n};
  const int taps = stages.panel_of_one_tap ? 1 : stages.taps;
  filter_panel.compute_at(sum, at.rvar)
      .store_in(MemoryType::GPUShared)
      .bound_extent(channel, block_channels)
      .bound_extent(reduced, tiling.block_reduction);
  if (stages.panel_of_one_tap) {
    image_panel.bound_extent(stages.s, 1).bound_extent(stages.r, 1);
    image_loops.insert(image_loops.end(), {stages.s, stages.r});
    filter_panel.bound_extent(stages.s, 1).bound_extent(stages.r, 1);
  }
  share_among_threads(image_panel, image_loops,
                      tiling.block_reduction / lanes * panel_width * panel_height * tiling.block_images, threads);
  image_panel.specialize(stages.image_contiguous);
  if (stages.filter_rows_are_reduced) {
    // Read along its rows, written across; one vector more a row, so that the writes meet different banks.
    filter_panel.bound_storage(channel, block_channels + lanes);
    share_among_threads(filter_panel, {reduced, channel, stages.s, stages.r},
                        tiling.block_reduction * block_channels * taps, threads);
  } else {
    filter_panel.split(channel, vector, lane, lanes).vectorize(lane);
    share_among_threads(filter_panel, {vector, reduced, stages.s, stages.r},
                        tiling.block_reduction * (block_channels / lanes) * taps, threads);
    filter_panel.specialize(stages.filter_contiguous);
  }
}

}  // namespace

void GpuImageGeneric::schedule(const ImageStages &stages, const Params &params) {
  schedule_image(stages, ImageTiling::of_vectors(params, 1));
}

void GpuImageDirect::schedule(const ImageStages &stages, const Params &params) {
  schedule_image(stages, ImageTiling::of_vectors(params, 1));
}

void schedule_zeros_on_gpu(Func result) {
  constexpr int kThreads = 128;
  const std::vector<Var> dims = result.args();
  Var block("block"), block_x("block_x"), block_y("block_y"), in_x("in_x"), in_y("in_y"), thread("thread");
  // A phase may have no rows or columns. Bounds inference gets that right through a guarded split, and not through a
  // fused dimension or one that is split by 1.
  result.split(dims[0], block, thread, kThreads, TailStrategy::GuardWithIf)
      .split(dims[1], block_x, in_x, 4, TailStrategy::GuardWithIf)
      .split(dims[2], block_y, in_y, 4, TailStrategy::GuardWithIf)
      .reorder({in_x, in_y, thread, block, block_x, block_y, dims[3]})
      .gpu_threads(thread);
  give_to_blocks(result, block, {block_x, block_y, dims[3]});
}

}  // namespace convgrad
