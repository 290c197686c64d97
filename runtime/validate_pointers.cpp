#include <cstdint>

#include "last_error.h"
#include "validate.h"

namespace convgrad {

convgrad_status validate_pointers(const OpInfo &op, const Problem &problem, const void *const data[3]) {
  uintptr_t begin[3], end[3];
  for (int i = 0; i < 3; ++i) {
    const Tensor &tensor = problem.tensor[op.role[i]];
    begin[i] = end[i] = 0;
    if (tensor.span == 0) continue;
    if (data[i] == nullptr) {
      return fail(CONVGRAD_INVALID_ARGUMENT, "%s: %s has NULL data, expected a pointer to its elements", op.name,
                  op.argument[i]);
    }
    // Of a cl_mem only the offset counts, and its size is the driver's to know.
    const uintptr_t address = tensor.memory == CONVGRAD_OPENCL ? 0 : reinterpret_cast<uintptr_t>(data[i]);
    if (__builtin_add_overflow(address, static_cast<uint64_t>(tensor.byte_offset), &begin[i]) ||
        __builtin_add_overflow(begin[i], static_cast<uint64_t>(tensor.span), &end[i])) {
      return fail(CONVGRAD_INVALID_ARGUMENT,
                  "%s: %s has data %p and byte_offset %lld, expected its %lld bytes within the address space", op.name,
                  op.argument[i], data[i], static_cast<long long>(tensor.byte_offset),
                  static_cast<long long>(tensor.span));
    }
    if (begin[i] % static_cast<uint64_t>(dtype_size(problem.dtype)) != 0) {
      return fail(CONVGRAD_INVALID_ARGUMENT,
                  "%s: %s has data %p and byte_offset %lld, expected an address that is a multiple of %lld, its "
                  "element's size",
                  op.name, op.argument[i], data[i], static_cast<long long>(tensor.byte_offset),
                  static_cast<long long>(dtype_size(problem.dtype)));
    }
  }
  const convgrad_memory memory = problem.tensor[op.result()].memory;
  for (int i = 0; i < 2; ++i) {
    if (memory == CONVGRAD_OPENCL || problem.tensor[op.role[i]].memory != memory) continue;
    if (begin[i] < end[2] && begin[2] < end[i]) {
      return fail(CONVGRAD_INVALID_ARGUMENT,
                  "%s: %s (%p, %lld bytes) overlaps %s (%p, %lld bytes), expected a result apart from its operands",
                  op.name, op.argument[2], reinterpret_cast<void *>(begin[2]),
                  static_cast<long long>(end[2] - begin[2]), op.argument[i], reinterpret_cast<void *>(begin[i]),
                  static_cast<long long>(end[i] - begin[i]));
    }
  }
  return CONVGRAD_OK;
}

convgrad_status validate_workspace(const OpInfo &op, const Problem &problem, const void *const data[3],
                                   const void *workspace, size_t bytes) {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(workspace);
  uintptr_t end;
  if (begin % CONVGRAD_WORKSPACE_ALIGNMENT != 0) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: workspace is %p, expected a multiple of %d", op.name, workspace,
                CONVGRAD_WORKSPACE_ALIGNMENT);
  }
  if (__builtin_add_overflow(begin, bytes, &end)) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "%s: workspace is %p, expected its %zu bytes within the address space",
                op.name, workspace, bytes);
  }
  for (int i = 0; i < 3; ++i) {
    const Tensor &tensor = problem.tensor[op.role[i]];
    const uintptr_t first = reinterpret_cast<uintptr_t>(data[i]) + static_cast<uint64_t>(tensor.byte_offset);
    if (begin < end && tensor.memory == CONVGRAD_HOST && tensor.span > 0 &&
        begin < first + static_cast<uint64_t>(tensor.span) && first < end) {
      return fail(CONVGRAD_INVALID_ARGUMENT,
                  "%s: workspace (%p, %zu bytes) overlaps %s (%p, %lld bytes), expected memory of its own", op.name,
                  workspace, bytes, op.argument[i], reinterpret_cast<void *>(first),
                  static_cast<long long>(tensor.span));
    }
  }
  return CONVGRAD_OK;
}

}  // namespace convgrad
