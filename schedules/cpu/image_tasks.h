// Tasks of an image's families whose register tiles are summed up whole and stored at once.
#ifndef CONVGRAD_SCHEDULES_CPU_IMAGE_TASKS_H
#define CONVGRAD_SCHEDULES_CPU_IMAGE_TASKS_H

#include <vector>

#include "schedules/image.h"
#include "schedules/image_tiling.h"

namespace convgrad {

// The loops over a result that is stored a register tile at a time.
struct TileLoops {
  Halide::Var task{"task"}, tile_channel{"tile_channel"}, tile_x{"tile_x"};
};

// Cuts the result into parallel tasks of blocks and these into register tiles, whose pixels are unrolled. Its channels
// have been split into `channels_of_tile`, innermost first, and loops.tile_channel.
void tile_result(const ImageStages &stages, const ImageTiling &tiling, const TileLoops &loops,
                 std::vector<Halide::VarOrRVar> channels_of_tile);

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_CPU_IMAGE_TASKS_H
