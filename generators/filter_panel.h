// The filter of an image's sum, packed for register tiles, and the sum's coordinates that go with it.
#ifndef CONVGRAD_GENERATORS_FILTER_PANEL_H
#define CONVGRAD_GENERATORS_FILTER_PANEL_H

#include <Halide.h>

#include <vector>

#include "schedules/image.h"

namespace convgrad {

// Either the piece of the filter that a schedule wants packed somewhere, or all of it, packed once a call in tiles of
// the result's channels. The sum then has a channel's place in its tile and the tile as coordinates of their own, since
// Halide does not see through divisions.
class FilterPanel {
 public:
  // `stages` has the coordinates and the sum. tap(channel, reduced, s, r) is the filter, and zero beyond the `channels`
  // of the result. `tile_channels` 0: a piece.
  template <typename Tap>
  FilterPanel(ImageStages *stages, const Halide::Expr &channels, int tile_channels, const Tap &tap)
      : tile_channels_(tile_channels) {
    const Halide::Var channel = stages->channel, reduced = stages->reduced, s = stages->s, r = stages->r;
    Halide::Func panel("filter_panel");
    if (tile_channels == 0) {
      panel(channel, reduced, s, r) = tap(channel, reduced, s, r);
    } else {
      const Halide::Var tile = stages->filter_tile;
      panel(channel, reduced, s, r, tile) = tap(tile * tile_channels + channel, reduced, s, r);
      stages->filter_tiles = (channels + tile_channels - 1) / tile_channels;
    }
    stages->filter_panel = panel;
    stages_ = *stages;
  }

  // The coordinates of the sum.
  std::vector<Halide::Var> of_sum() const {
    std::vector<Halide::Var> result = {stages_.channel, stages_.x, stages_.y, stages_.n};
    if (tile_channels_ != 0) result.push_back(stages_.filter_tile);
    return result;
  }

  // What an element of the sum takes of the filter.
  Halide::Expr tap(const Halide::RDom &reduction) const {
    std::vector<Halide::Expr> at = {stages_.channel, reduction.x, reduction.y, reduction.z};
    if (tile_channels_ != 0) at.push_back(stages_.filter_tile);
    return stages_.filter_panel(at);
  }

  // The sum at the coordinates of the result.
  Halide::Expr sum_of_result() const {
    const Halide::Expr channel = stages_.channel;
    if (tile_channels_ == 0) return stages_.sum(channel, stages_.x, stages_.y, stages_.n);
    return stages_.sum(channel % tile_channels_, stages_.x, stages_.y, stages_.n, channel / tile_channels_);
  }

 private:
  ImageStages stages_;
  int tile_channels_;
};

}  // namespace convgrad

#endif  // CONVGRAD_GENERATORS_FILTER_PANEL_H
