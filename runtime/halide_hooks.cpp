// What kernels want from Halide's runtime, none of which is linked: scratch, parallel loops and error codes; and what
// they want beyond it, a prefetch to L2. Kernels are compiled with the user_context feature, so every hook finds its
// call; nothing is global, prints or aborts.
#include <HalideRuntime.h>

#include <algorithm>
#include <atomic>

#include "call_context.h"
#include "divide/take_run.h"

namespace {

using convgrad::CallContext;
using convgrad::ScratchStack;

struct Loop {
  const CallContext *context;
  halide_task_t body;
  uint8_t *closure;
  int min, size, tasks;
  std::atomic<int> next;   // counts from 0
  std::atomic<int> error;  // of any index that failed
};

// One of the tasks that share a loop's indices, with a slot of scratch to itself.
void run_task(void *arg, int64_t slot) {
  Loop *loop = static_cast<Loop *>(arg);
  const CallContext &parent = *loop->context;
  // The caller waits meanwhile, so its own slot is free to be used above what it holds there.
  ScratchStack own(parent.workspace + static_cast<size_t>(slot) * parent.slot_bytes, parent.slot_bytes);
  CallContext context = {nullptr, slot == 0 ? parent.scratch : &own, nullptr, 0};
  for (int index, last; convgrad::take_run(&loop->next, loop->size, loop->tasks, &index, &last);) {
    for (; index < last; ++index) {
      if (loop->error.load(std::memory_order_relaxed) != 0) return;
      const int result = loop->body(&context, loop->min + index, loop->closure);
      if (result != 0) loop->error.store(result, std::memory_order_relaxed);
    }
  }
}

}  // namespace

extern "C" {

void *halide_malloc(void *user_context, size_t bytes) {
  return static_cast<CallContext *>(user_context)->scratch->allocate(bytes);
}

void halide_free(void *user_context, void *pointer) {
  static_cast<CallContext *>(user_context)->scratch->free(pointer);
}

int halide_do_par_for(void *user_context, halide_task_t body, int min, int size, uint8_t *closure) {
  CallContext *context = static_cast<CallContext *>(user_context);
  const convgrad::Parallel *parallel = context->parallel;
  const int tasks = parallel == nullptr ? 1 : std::min<int>(parallel->num_threads, size);
  if (tasks > 1) {
    Loop loop = {context, body, closure, min, size, tasks, {0}, {0}};
    convgrad::run_tasks(*parallel, run_task, &loop, tasks);
    return loop.error.load(std::memory_order_relaxed);
  }
  // A loop of one leaves the threads to the loops inside it.
  CallContext serial = {nullptr, context->scratch, nullptr, 0};
  CallContext *inner = size == 1 ? context : &serial;
  for (int i = 0; i < size; ++i) {
    if (const int result = body(inner, min + i, closure)) return result;
  }
  return 0;
}

// Fetches to L2 pixels begin to end, without it, of a row of them: the first is `first` words of 4 bytes from `tensor`,
// each has so many words of channels, and they are `pixel_stride` words apart. What lies beyond the tensor is harmless.
// (lowering/spread_prefetches.h)
int convgrad_prefetch(const void *tensor, int first, int begin, int end, int pixel_stride, int channels) {
  constexpr intptr_t kWord = 4;
  const auto fetch = [](const char *from, intptr_t bytes) {
    for (intptr_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 0, 2);
  };
  const intptr_t pitch = kWord * pixel_stride;
  const char *row = static_cast<const char *>(tensor) + kWord * first;
  if (channels >= pixel_stride) {
    fetch(row + begin * pitch, (end - begin) * pitch);
  } else {
    for (int i = begin; i < end; ++i) fetch(row + i * pitch, kWord * channels);
  }
  return 0;
}

void halide_error(void *, const char *) {}
void halide_print(void *, const char *) {}

#define CONVGRAD_HALIDE_ERROR(name, ...) \
  int halide_error_##name(__VA_ARGS__) { return halide_error_code_##name; }
#define CONVGRAD_HALIDE_ERROR_AS(name, code, ...) \
  int halide_error_##name(__VA_ARGS__) { return halide_error_code_##code; }

int halide_error_bounds_inference_call_failed(void *, const char *, int result) { return result; }
int halide_error_extern_stage_failed(void *, const char *, int result) { return result; }
CONVGRAD_HALIDE_ERROR(explicit_bounds_too_small, void *, const char *, const char *, int, int, int, int)
CONVGRAD_HALIDE_ERROR(bad_type, void *, const char *, uint32_t, uint32_t)
CONVGRAD_HALIDE_ERROR(bad_dimensions, void *, const char *, int32_t, int32_t)
CONVGRAD_HALIDE_ERROR(access_out_of_bounds, void *, const char *, int, int, int, int, int)
CONVGRAD_HALIDE_ERROR(buffer_allocation_too_large, void *, const char *, uint64_t, uint64_t)
CONVGRAD_HALIDE_ERROR(buffer_extents_negative, void *, const char *, int, int)
CONVGRAD_HALIDE_ERROR(buffer_extents_too_large, void *, const char *, int64_t, int64_t)
CONVGRAD_HALIDE_ERROR(constraints_make_required_region_smaller, void *, const char *, int, int, int, int, int)
CONVGRAD_HALIDE_ERROR(constraint_violated, void *, const char *, int, const char *, int)
CONVGRAD_HALIDE_ERROR_AS(param_too_small_i64, param_too_small, void *, const char *, int64_t, int64_t)
CONVGRAD_HALIDE_ERROR_AS(param_too_small_u64, param_too_small, void *, const char *, uint64_t, uint64_t)
CONVGRAD_HALIDE_ERROR_AS(param_too_small_f64, param_too_small, void *, const char *, double, double)
CONVGRAD_HALIDE_ERROR_AS(param_too_large_i64, param_too_large, void *, const char *, int64_t, int64_t)
CONVGRAD_HALIDE_ERROR_AS(param_too_large_u64, param_too_large, void *, const char *, uint64_t, uint64_t)
CONVGRAD_HALIDE_ERROR_AS(param_too_large_f64, param_too_large, void *, const char *, double, double)
CONVGRAD_HALIDE_ERROR(out_of_memory, void *)
CONVGRAD_HALIDE_ERROR(buffer_argument_is_null, void *, const char *)
CONVGRAD_HALIDE_ERROR(debug_to_file_failed, void *, const char *, const char *, int)
CONVGRAD_HALIDE_ERROR(unaligned_host_ptr, void *, const char *, int)
CONVGRAD_HALIDE_ERROR(host_is_null, void *, const char *)
CONVGRAD_HALIDE_ERROR(bad_fold, void *, const char *, const char *, const char *)
CONVGRAD_HALIDE_ERROR(bad_extern_fold, void *, const char *, int, int, int, int, int)
CONVGRAD_HALIDE_ERROR(fold_factor_too_small, void *, const char *, const char *, int, const char *, int)
CONVGRAD_HALIDE_ERROR(requirement_failed, void *, const char *, const char *)
CONVGRAD_HALIDE_ERROR(specialize_fail, void *, const char *)
CONVGRAD_HALIDE_ERROR(no_device_interface, void *)
CONVGRAD_HALIDE_ERROR(device_interface_no_device, void *)
CONVGRAD_HALIDE_ERROR(host_and_device_dirty, void *)
CONVGRAD_HALIDE_ERROR(buffer_is_null, void *, const char *)
CONVGRAD_HALIDE_ERROR(device_dirty_with_no_device_support, void *, const char *)
CONVGRAD_HALIDE_ERROR(storage_bound_too_small, void *, const char *, const char *, int, int)
CONVGRAD_HALIDE_ERROR(device_crop_failed, void *)
CONVGRAD_HALIDE_ERROR(split_factor_not_positive, void *, const char *, const char *, const char *, const char *,
                      const char *, int)
CONVGRAD_HALIDE_ERROR(vscale_invalid, void *, const char *, int, int)

}  // extern "C"
