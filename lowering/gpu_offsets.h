// Where a kernel's tensors start in the memory objects that it is called with.
#ifndef CONVGRAD_LOWERING_GPU_OFFSETS_H
#define CONVGRAD_LOWERING_GPU_OFFSETS_H

#include <Halide.h>

#include <string>
#include <vector>

namespace convgrad {

// The name of the scalar input that holds the first element's index in a buffer's memory object.
inline std::string offset_of(const std::string &buffer) { return buffer + "_offset"; }

// When the pipeline is lowered, adds <buffer>_offset to the index of every load and store of each of these buffers: an
// OpenCL memory object cannot be named from its middle, as a pointer can.
void add_buffer_offsets(Halide::Pipeline pipeline, const std::vector<std::string> &buffers);

}  // namespace convgrad

#endif  // CONVGRAD_LOWERING_GPU_OFFSETS_H
