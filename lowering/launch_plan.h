// What a GPU kernel asks of a multiprocessor, read off its lowered code.
#ifndef CONVGRAD_LOWERING_LAUNCH_PLAN_H
#define CONVGRAD_LOWERING_LAUNCH_PLAN_H

#include <Halide.h>

#include <string>

#include "runtime/gpu/limits.h"

namespace convgrad {

// When the pipeline is lowered, writes to `file` one line a launch: the name of its loop over blocks, threads a block,
// bytes of shared memory a block, bytes of accumulators a thread. Numbers that are not constants fail the build: what a
// launch needs must be known before there is a GPU to refuse it. So do numbers above the limits. An empty name: nothing
// is written, the checks remain.
void write_launch_plan(Halide::Pipeline pipeline, const std::string &file, const GpuLimits &limits);

}  // namespace convgrad

#endif  // CONVGRAD_LOWERING_LAUNCH_PLAN_H
