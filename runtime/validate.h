// Every rule about arguments, each with its status and its text. Nothing is written but the out parameters.
#ifndef CONVGRAD_RUNTIME_VALIDATE_H
#define CONVGRAD_RUNTIME_VALIDATE_H

#include <cstddef>

#include "problem.h"

namespace convgrad {

// Whether `size` is where a field of a struct ends; `boundaries` are the offsets of all fields but the first, then
// sizeof. A shorter struct than ours is one that was compiled against an older header.
bool is_struct_size(size_t size, const size_t *boundaries, size_t count);

// Checks the attributes and fills in the defaults of fields that the caller's struct does not have.
convgrad_status validate_attrs(const OpInfo &op, const convgrad_conv2d_attrs *attrs, convgrad_conv2d_attrs *full);

// No negative size, and a number of elements that int64 can hold.
convgrad_status validate_shape(const OpInfo &op, const char *argument, const int64_t shape[4]);

// The output's shape, in the data format of the attributes (which are valid), from shapes that may be anything.
convgrad_status infer_output_shape(const OpInfo &op, const convgrad_conv2d_attrs &attrs, const int64_t input_shape[4],
                                   const int64_t filter_shape[4], int64_t output_shape[4], Problem *problem);

// Everything but the data pointers. `tensors` are in the order of the op's arguments. `memory` is what kernels may use
// beside the host's; HOST: nothing.
convgrad_status validate_problem(const OpInfo &op, convgrad_memory memory, const convgrad_conv2d_attrs *attrs,
                                 const convgrad_tensor *const tensors[3], Problem *problem);

// NULL, alignment and overlap, as far as the values tell (a cl_mem is no address). `data` is in the order of the op's
// arguments, without byte offsets.
convgrad_status validate_pointers(const OpInfo &op, const Problem &problem, const void *const data[3]);

// Alignment of a workspace that is not NULL, and that it is apart from the tensors, whose pointers are valid.
convgrad_status validate_workspace(const OpInfo &op, const Problem &problem, const void *const data[3],
                                   const void *workspace, size_t bytes);

}  // namespace convgrad

#endif
