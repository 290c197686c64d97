#include "prepared_call.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>

#include "build_targets.h"
#include "divide/packed_filter.h"
#include "float_mode.h"
#include "gpu/gpu.h"
#include "last_error.h"
#include "launch.h"
#include "os/no_cancellation.h"
#include "problem_text.h"
#include "validate.h"

namespace convgrad {
namespace {

// Has room for a row's refusal, and for a problem with a kernel's name and strides. (fprintf takes 8 KB of the caller's
// stack for a stream without a buffer, as stderr is.)
using Line = TextOf<1024>;

void print_row(void *arg, size_t row, const Kernel &kernel, const char *reason) {
  const OpInfo *op = static_cast<const OpInfo *>(arg);
  Line line;
  line.append("convgrad: %s row %zu, %s: %s%s\n", op->name, row, kernel.name,
              reason == nullptr ? "" : "refused: ", reason == nullptr ? "taken" : reason);
  fputs(line.c_str(), stderr);
}

// The problem as the caller gave it, and what runs.
__attribute__((noinline)) void print_choice(const PreparedCall &call, const convgrad_conv2d_attrs *attrs,
                                            const convgrad_tensor *const tensors[3]) {
  convgrad_conv2d_attrs full;
  if (validate_attrs(*call.op, attrs, &full) != CONVGRAD_OK) return;  // they were valid before
  Line line;
  line.append("convgrad: %s", problem_text(call.problem, full).c_str());
  if (call.kernel != nullptr) {
    line.append(" runs %s", call.kernel->name);
  } else {
    line.append(" runs no kernel: nothing to add up, the result is %s", call.fill ? "zeros" : "empty");
  }
  for (int i = 0; i < 3; ++i) {
    const int64_t *strides = tensors[i]->strides;
    if (strides[0] == 0 && strides[1] == 0 && strides[2] == 0 && strides[3] == 0) continue;
    line.append("; %s has strides %s", call.op->argument[i], list_text(strides, 4).c_str());
  }
  line.append("\n");
  fputs(line.c_str(), stderr);
}

// The kernel for one form of the problem; NULL: `reason` says why there is none.
const Kernel *choose(const Op &op, const Settings &settings, const Normalized &normalized, Text *reason) {
  if (!fits_int32(normalized, op.info, reason)) return nullptr;
  RowObserver observer = {print_row, const_cast<OpInfo *>(&op.info)};
  return choose_kernel(normalized, *op.table, this_machine(), settings.choice, settings.verbose ? &observer : nullptr,
                       reason);
}

// As above, for a kernel that was asked for by name. One for a filter of one size can take a problem whole whose filter
// would otherwise be cut to what meets input; `normalized` then becomes that.
__attribute__((noinline)) const Kernel *choose_asked(const Op &op, const Settings &settings, const Problem &problem,
                                                     Normalized *normalized, Text *reason) {
  Text of_rest, of_whole;
  if (const Kernel *kernel = choose(op, settings, *normalized, &of_rest)) return kernel;
  const Normalized whole = normalize(problem, false);
  if (const Kernel *kernel = choose(op, settings, whole, &of_whole)) {
    *normalized = whole;
    return kernel;
  }
  // The whole problem is the one that the caller knows; the rest may be the one that came nearer.
  reason->append("the kernel asked for, %s: %s", settings.choice.kernel, of_whole.c_str());
  if (strcmp(of_whole.c_str(), of_rest.c_str()) != 0) {
    reason->append("; less what meets no input: %s", of_rest.c_str());
  }
  return nullptr;
}

static_assert(scratch_layout::kLine == CONVGRAD_WORKSPACE_ALIGNMENT, "a workspace begins with a block");

// The scratch of a call of the kernel, in whole cache lines.
struct Scratch {
  size_t shared;  // bytes for all threads: the filter, where it is packed whole
  size_t slot;    // bytes of a thread
  size_t slots;
};

Scratch scratch_of(const PreparedCall &call) {
  const size_t task = scratch_layout::in_lines(call.kernel->scratch_bytes);
  const auto threads = static_cast<size_t>(call.settings.parallel.num_threads);
  if (call.pieces.slices.all() == 1) {
    return {static_cast<size_t>(packed_filter_bytes(*call.kernel, call.normalized)), task, threads};
  }
  // Each has a filter of its own. No slice has a larger one than the first.
  const Normalized first = slice_of(call.normalized, call.pieces.slices, 0);
  return {0, static_cast<size_t>(packed_filter_bytes(*call.kernel, first)) + task,
          std::min(threads, static_cast<size_t>(call.pieces.count()))};
}

convgrad_memory memory_of(const Settings &settings) {
  if (settings.gpu == nullptr) return CONVGRAD_HOST;
  return settings.choice.target->device == DeviceKind::CUDA ? CONVGRAD_CUDA : CONVGRAD_OPENCL;
}

// As a GPU gets a copy of it: without what lies between its elements, which is not ours to read or to write. Elements
// that overlap are left as they are.
Tensor without_gaps(const Tensor &tensor, int64_t element_bytes) {
  Tensor result = tensor;
  result.byte_offset = 0;
  int order[4];
  order_by_stride(tensor.stride, order);
  Wide bytes = element_bytes;
  for (int i : order) {
    result.stride[i] = static_cast<int64_t>(bytes / element_bytes);
    bytes *= tensor.size[i];
    if (bytes >= tensor.span) return tensor;
  }
  result.span = static_cast<int64_t>(bytes);
  return result;
}

// Kernels for OpenCL take a tensor's place in its cl_mem as an int32. False: `reason` says what is too far in.
bool offsets_fit_int32(const PreparedCall &call, Text *reason) {
  for (int role = 0; role < 3; ++role) {
    const Tensor &tensor = call.problem.tensor[role];
    const Wide end = (Wide{tensor.byte_offset} + tensor.span) / dtype_size(call.problem.dtype);
    if (tensor.memory != CONVGRAD_OPENCL || end <= std::numeric_limits<int32_t>::max()) continue;
    reason->append("%s ends %lld elements behind the start of its cl_mem, kernels take at most %d",
                   call.op->argument_of(static_cast<Role>(role)), static_cast<long long>(end),
                   std::numeric_limits<int32_t>::max());
    return false;
  }
  return true;
}

// Compiled apart: what run_call() has on the stack lies there while the kernel runs.
__attribute__((noinline)) convgrad_status allocate_workspace(const PreparedCall &call, size_t bytes, void **workspace) {
  Text reason;
  if (bytes == SIZE_MAX) {
    reason.append("no memory for more bytes than size_t holds");
  } else {
    *workspace = allocate(call.settings.memory, bytes, CONVGRAD_WORKSPACE_ALIGNMENT, &reason);
  }
  if (*workspace != nullptr) return CONVGRAD_OK;
  return fail(CONVGRAD_OUT_OF_MEMORY, "%s: %s of scratch", call.op->name, reason.c_str());
}

bool has_dtype(const KernelTable &table, convgrad_dtype dtype) {
  return std::any_of(table.kernels, table.kernels + table.kernel_count,
                     [dtype](const Kernel &kernel) { return kernel.dtype == dtype; });
}

// This build may have no kernels of the problem's element type, or the device cannot compute with it.
__attribute__((noinline)) convgrad_status check_dtype(const Op &op, const Gpu *gpu, convgrad_dtype dtype) {
  Text reason;
  if (has_dtype(*op.table, dtype)) {
    if constexpr (kHasGpu) {
      if (gpu != nullptr && !gpu_computes(gpu, dtype, &reason)) {
        return fail(CONVGRAD_UNSUPPORTED, "%s: %s has dtype %s, but %s", op.info.name, op.info.argument[0],
                    kDtypes[dtype].name, reason.c_str());
      }
    }
    return CONVGRAD_OK;
  }
  for (const Dtype &known : kDtypes) {
    if (has_dtype(*op.table, known.dtype)) reason.append("%s%s", reason.empty() ? "" : " and ", known.name);
  }
  return fail(CONVGRAD_UNSUPPORTED, "%s: %s has dtype %s; this build has kernels for %s only", op.info.name,
              op.info.argument[0], kDtypes[dtype].name, reason.c_str());
}

}  // namespace

Tensor PreparedCall::seen(Role role) const {
  const Tensor &tensor = problem.tensor[role];
  const bool copied = settings.gpu != nullptr && tensor.memory == CONVGRAD_HOST && tensor.span > 0;
  return copied ? without_gaps(tensor, dtype_size(problem.dtype)) : tensor;
}

convgrad_status prepare_call(const Op &op, const Settings &settings, const convgrad_conv2d_attrs *attrs,
                             const convgrad_tensor *const tensors[3], PreparedCall *call) {
  const convgrad_memory memory = memory_of(settings);
  if (convgrad_status status = validate_problem(op.info, memory, attrs, tensors, &call->problem)) return status;
  if (convgrad_status status = check_dtype(op, settings.gpu, call->problem.dtype)) return status;
  call->op = &op.info;
  call->settings = settings;
  Problem seen = call->problem;
  for (Role role : {INPUT, FILTER, OUTPUT}) seen.tensor[role] = call->seen(role);
  call->normalized = normalize(seen);
  call->kernel = nullptr;
  call->fill = call->normalized.fill;
  if (call->normalized.run) {
    Text reason;
    call->kernel = settings.choice.kernel == nullptr ? choose(op, settings, call->normalized, &reason)
                                                     : choose_asked(op, settings, seen, &call->normalized, &reason);
    if (call->kernel != nullptr && !offsets_fit_int32(*call, &reason)) call->kernel = nullptr;
    if (call->kernel == nullptr) return fail(CONVGRAD_UNSUPPORTED, "%s: %s", op.info.name, reason.c_str());
    bind_kernel(*call->kernel, call);
  }
  if (settings.verbose) print_choice(*call, attrs, tensors);
  return CONVGRAD_OK;
}

void bind_kernel(const Kernel &kernel, PreparedCall *call) {
  call->kernel = &kernel;
  call->fill = call->normalized.fill || leaves_gaps(kernel, call->normalized);
  call->pieces.parts = reduction_parts(kernel, call->normalized);
  call->pieces.slices =
      slices_of(kernel, call->normalized, call->pieces.parts.count, call->settings.parallel.num_threads);
}

size_t workspace_size(const PreparedCall &call) {
  if (call.kernel == nullptr) return 0;
  // What threads share, a slot for each of them, the partial results.
  const Scratch scratch = scratch_of(call);
  size_t slots, partials, bytes;
  const bool overflow = __builtin_mul_overflow(scratch.slot, scratch.slots, &slots) ||
                        __builtin_mul_overflow(partial_bytes(call.normalized),
                                               static_cast<size_t>(call.pieces.parts.count - 1), &partials) ||
                        __builtin_add_overflow(slots, partials, &bytes) ||
                        __builtin_add_overflow(bytes, scratch.shared, &bytes);
  return overflow ? SIZE_MAX : bytes;
}

convgrad_status run_call(const PreparedCall &call, const void *const data[3], void *workspace) {
  if (convgrad_status status = validate_pointers(*call.op, call.problem, data)) return status;
  const size_t bytes = workspace_size(call);
  if (workspace != nullptr) {
    if (convgrad_status status = validate_workspace(*call.op, call.problem, data, workspace, bytes)) return status;
  }
  if constexpr (kHasGpu) {
    const bool is_host_fill = call.kernel == nullptr && call.problem.tensor[call.op->result()].memory == CONVGRAD_HOST;
    if (call.settings.gpu != nullptr && !is_host_fill && (call.kernel != nullptr || call.fill)) {
      return run_on_gpu(call, data);
    }
  }
  void *allocated = nullptr;
  if (workspace == nullptr && bytes > 0) {
    if (convgrad_status status = allocate_workspace(call, bytes, &allocated)) return status;
    workspace = allocated;
  }

  Place first[3];
  for (int i = 0; i < 3; ++i) {
    const Tensor &tensor = call.problem.tensor[call.op->role[i]];
    first[call.op->role[i]] =
        host_place(tensor.span == 0 ? nullptr : static_cast<const char *>(data[i]) + tensor.byte_offset);
  }
  if (call.fill) {
    const Tensor &result = call.problem.tensor[call.op->result()];
    fill_zeros(reinterpret_cast<char *>(first[call.op->result()].memory), result.size, result.stride,
               dtype_size(call.problem.dtype));
  }
  int error = 0;
  if (call.kernel != nullptr) {
    const ExceptionsHeld scope;
    if (bytes > 0) look_up_memset(workspace, std::min<size_t>(bytes, CONVGRAD_WORKSPACE_ALIGNMENT));
    const Scratch sizes = scratch_of(call);
    ScratchStack scratch(workspace, sizes.shared + sizes.slot);
    CallContext context = {&call.settings.parallel, &scratch, static_cast<char *>(workspace) + sizes.shared,
                           sizes.slot};
    if (call.pieces.count() > 1) {
      char *const partials = context.workspace + sizes.slot * sizes.slots;
      error = launch_in_pieces(*call.kernel, call.normalized, call.pieces, first, partials, context);
    } else {
      error = launch(*call.kernel, call.normalized, first, &context);
    }
  }
  release(call.settings.memory, allocated);
  if (error != 0) {
    return fail(CONVGRAD_INTERNAL, "%s: kernel %s failed with Halide's error %d", call.op->name, call.kernel->name,
                error);
  }
  return CONVGRAD_OK;
}

convgrad_status call_op(const Op &op, const convgrad_context *context, const convgrad_conv2d_attrs *attrs,
                        const convgrad_tensor *first, const convgrad_tensor *second, const convgrad_tensor *result) {
  const NoCancellation scope;
  convgrad_status status = CONVGRAD_OK;
  const Settings *settings = settings_of(context, &status);
  if (settings == nullptr) return status;
  const convgrad_tensor *const tensors[3] = {first, second, result};
  PreparedCall call;
  status = prepare_call(op, *settings, attrs, tensors, &call);
  if (status != CONVGRAD_OK) return status;
  const void *const data[3] = {first->const_data, second->const_data, result->data};
  return run_call(call, data, nullptr);
}

}  // namespace convgrad
