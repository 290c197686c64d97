// The way of a call: validate, normalize, choose, launch. A plan keeps what the first three found.
#ifndef CONVGRAD_RUNTIME_PREPARED_CALL_H
#define CONVGRAD_RUNTIME_PREPARED_CALL_H

#include "context.h"
#include "divide/pieces.h"
#include "kernel_table.h"
#include "normalize.h"

namespace convgrad {

// An op: its names and its kernels.
struct Op {
  OpInfo info;
  const KernelTable *table;
};

extern const Op conv2d_op, conv2d_backprop_input_op, conv2d_transpose_op, conv2d_backprop_filter_op;

struct PreparedCall {
  const OpInfo *op;
  Settings settings;
  Problem problem;
  Normalized normalized;
  const Kernel *kernel;  // NULL: nothing to add up
  bool fill;             // the result is filled with zeros first
  Pieces pieces;         // of a kernel on a CPU

  // A tensor as the kernel sees it: as the problem says, but without gaps where a GPU gets a copy of the host's.
  Tensor seen(Role role) const;
  bool packed(Role role) const { return seen(role).span < problem.tensor[role].span; }
};

// Everything that needs no data.
convgrad_status prepare_call(const Op &op, const Settings &settings, const convgrad_conv2d_attrs *attrs,
                             const convgrad_tensor *const tensors[3], PreparedCall *call);

// Lets the kernel, which accepts the call's normalized problem, compute it.
void bind_kernel(const Kernel &kernel, PreparedCall *call);

// Bytes of scratch for all concurrent tasks; SIZE_MAX where it exceeds size_t.
size_t workspace_size(const PreparedCall &call);

// `data` is in the order of the op's arguments, without byte offsets. `workspace` NULL: allocated here.
convgrad_status run_call(const PreparedCall &call, const void *const data[3], void *workspace);

// An op's function: prepares and runs.
convgrad_status call_op(const Op &op, const convgrad_context *context, const convgrad_conv2d_attrs *attrs,
                        const convgrad_tensor *first, const convgrad_tensor *second, const convgrad_tensor *result);

}  // namespace convgrad

#endif
