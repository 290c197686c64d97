// The seam between what is computed (generators/) and how (schedules/): a generator hands over its stages by name, a
// family's schedule gives them loops, storage and vectors. No arithmetic in schedules, no directive in generators.
//
// A family's struct has what its declaration (schedules/families/) says and the function that schedules its stages; its
// header is derived from the declaration when the build is configured ("families/<family>.h",
// generators/CMakeLists.txt). On CPUs schedules are register tiles over packed panels, tasks of independent tiles of
// the result; all scratch is on the heap, inside tasks, with sizes known at compile time. On GPUs, the same for CUDA
// and OpenCL, they are blocks of the result and threads of register tiles.
#ifndef CONVGRAD_SCHEDULES_SCHEDULE_H
#define CONVGRAD_SCHEDULES_SCHEDULE_H

#include <Halide.h>

#include <functional>
#include <string>
#include <vector>

#include "schedules/expressions.h"

namespace convgrad {

// Prefetches what a stage's loop will read of some tensors in its next round, some of it before each computation of a
// tile inside (lowering/spread_prefetches.h). Specializations of the stage are stages, too.
using Prefetch = std::function<void(const std::vector<Halide::Stage> &stages, const Halide::VarOrRVar &loop,
                                    const Halide::Func &tile)>;

// A result that is zero everywhere, such as a phase of backprop_input that no filter tap reaches.
void schedule_zeros_on_cpu(Halide::Func result, int lanes);
void schedule_zeros_on_gpu(Halide::Func result);

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_SCHEDULE_H
