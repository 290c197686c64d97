// The schedule of cpu/image.cpp for few reduced channels (cpu/image_in_one_panel.cpp).
#ifndef CONVGRAD_SCHEDULES_CPU_IMAGE_H
#define CONVGRAD_SCHEDULES_CPU_IMAGE_H

#include "schedules/schedule.h"

namespace convgrad {

void schedule_image_in_one_panel(const ImageStages &stages, const ImageScheduleParams &params);
void schedule_image_along_reduction(const ImageStages &stages, const ImageScheduleParams &params);

// filter_panel, at `consumer`'s loop `tile_channel` over so many channels of the result.
void schedule_filter_panel(const ImageStages &stages, Halide::Func consumer, Halide::Var tile_channel,
                           int tile_channels, int block_reduction, int lanes);

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_CPU_IMAGE_H
