// How much scratch a task of a kernel needs, read off its lowered code.
#ifndef CONVGRAD_LOWERING_SCRATCH_SIZE_H
#define CONVGRAD_LOWERING_SCRATCH_SIZE_H

#include <Halide.h>

#include <string>
#include <vector>

namespace convgrad {

// When the pipeline is lowered, writes to `file` the line CONVGRAD_SCRATCH(kernel, bytes): the largest number of bytes
// that one task (a call's own allocations included) holds on the heap at a time, each block as
// runtime/scratch_layout.h has it. A heap block whose size is not
// a constant fails the build, since a workspace must be known without running; those of the Funcs `whole_tensors` are
// left out instead, for the runtime to add. An empty name of a file: nothing is written, the check remains.
void write_scratch_size(Halide::Pipeline pipeline, const std::string &kernel, const std::string &file,
                        const std::vector<Halide::Func> &whole_tensors);

}  // namespace convgrad

#endif  // CONVGRAD_LOWERING_SCRATCH_SIZE_H
