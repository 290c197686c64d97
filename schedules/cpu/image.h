// What the schedules of images on a CPU have in common (cpu/image.cpp), and those for few channels: reduced
// (cpu/image_in_one_panel.cpp) or of the result (cpu/image_along_reduction.cpp). With few of the result and a stride,
// cpu/image_along_width.cpp, whose stages are others, is faster.
#ifndef CONVGRAD_SCHEDULES_CPU_IMAGE_H
#define CONVGRAD_SCHEDULES_CPU_IMAGE_H

#include <vector>

#include "schedules/schedule.h"

namespace convgrad {

void schedule_image_in_one_panel(const ImageStages &stages, const ImageScheduleParams &params);
void schedule_image_along_reduction(const ImageStages &stages, const ImageScheduleParams &params);

// The loops over a result that is stored a register tile at a time.
struct TileLoops {
  Halide::Var task{"task"}, tile_channel{"tile_channel"}, tile_x{"tile_x"};
};

// Cuts the result into parallel tasks of blocks and these into register tiles, whose pixels are unrolled. Its channels
// have been split into `channels_of_tile`, innermost first, and loops.tile_channel, of which a task
// has block_tiles.
void tile_result(const ImageStages &stages, const ImageScheduleParams &params, const TileLoops &loops, int block_tiles,
                 std::vector<Halide::VarOrRVar> channels_of_tile);

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_CPU_IMAGE_H
