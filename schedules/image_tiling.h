// The tiles and blocks of an image in single channels, whatever a family's numbers count.
#ifndef CONVGRAD_SCHEDULES_IMAGE_TILING_H
#define CONVGRAD_SCHEDULES_IMAGE_TILING_H

namespace convgrad {

struct ImageTiling {
  int tile_channels, tile_width, tile_height, tile_images;      // register tile
  int block_channels, block_width, block_height, block_images;  // task, or block of threads
  int block_reduction;                                          // channels of a panel
  int lanes;                                                    // of a vector

  // Of a family with vectors along the result's channels.
  template <typename Params>
  static ImageTiling of_vectors(const Params &params, int tile_images) {
    return of(params, params.tile_vectors * params.lanes, params.block_vectors * params.lanes, tile_images);
  }
  template <typename Params>
  static ImageTiling of(const Params &params, int tile_channels, int block_channels, int tile_images) {
    return {tile_channels,          params.tile_width,  params.tile_height,  tile_images,
            block_channels,         params.block_width, params.block_height, params.block_images,
            params.block_reduction, params.lanes};
  }
};

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_IMAGE_TILING_H
