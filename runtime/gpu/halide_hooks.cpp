// What GPU kernels want from Halide's runtime, none of which is linked: their code compiled and launched, and device
// memory for what they keep between launches. Everything is found through the call's context: no lock, queue, cache or
// memory is shared by all.
#include "gpu/halide_hooks.h"

#include "call_context.h"
#include "gpu/call.h"

namespace convgrad {
namespace {

constexpr int kMaxArguments = 128;

GpuCall *call_of(void *user_context) { return static_cast<CallContext *>(user_context)->gpu; }

int ended(GpuCall *call, convgrad_status status, int error) {
  call->status = status;
  return status == CONVGRAD_OK ? 0 : error;
}

}  // namespace

int gpu_initialize_kernels(void *user_context, const char *source, int bytes) {
  GpuCall *call = call_of(user_context);
  const Target &target = *call->prepared->kernel->target;
  return ended(call,
               find_module(call->gpu->device, target, source, static_cast<size_t>(bytes), &call->module, call->reason),
               halide_error_code_device_run_failed);
}

int gpu_run(void *user_context, const char *entry, const int32_t blocks[3], const int32_t threads[3],
            int32_t shared_bytes, const size_t *sizes, void *const *arguments, const int8_t *is_buffer) {
  GpuCall *call = call_of(user_context);
  if (convgrad_status status = fill_result(call)) return ended(call, status, halide_error_code_device_run_failed);
  GpuLaunch launch = {{}, {}, shared_bytes, sizes, nullptr};
  for (int i = 0; i < 3; ++i) {
    if (blocks[i] == 0 || threads[i] == 0) return 0;  // drivers refuse a launch of nothing
    launch.blocks[i] = blocks[i];
    launch.threads[i] = threads[i];
  }
  void *values[kMaxArguments];
  for (int i = 0; sizes[i] != 0; ++i) {
    if (i == kMaxArguments) {
      call->reason->append("%s takes more than %d arguments", entry, kMaxArguments);
      return ended(call, CONVGRAD_INTERNAL, halide_error_code_internal_error);
    }
    values[i] = is_buffer[i] ? &static_cast<halide_buffer_t *>(arguments[i])->device : arguments[i];
  }
  launch.arguments = values;
  GpuFunction *function = find_function(call->gpu->device, call->module, entry);
  if (function == nullptr) {
    call->reason->append("no memory for the function %s", entry);
    return ended(call, CONVGRAD_OUT_OF_MEMORY, halide_error_code_out_of_memory);
  }
  return ended(call, call->gpu->device->driver->launch(call->gpu, call->module, function, launch, call->reason),
               halide_error_code_device_run_failed);
}

}  // namespace convgrad

extern "C" {

using convgrad::call_of;
using convgrad::ended;
using convgrad::GpuCall;

// Tensors are on the device before a kernel runs; there is nothing to copy.
int halide_copy_to_device(void *user_context, halide_buffer_t *buffer, const halide_device_interface_t *) {
  if (buffer->device != 0) return 0;
  call_of(user_context)->reason->append("the kernel reads a buffer that is not on the device");
  return ended(call_of(user_context), CONVGRAD_INTERNAL, halide_error_code_copy_to_device_failed);
}

int halide_device_malloc(void *user_context, halide_buffer_t *buffer, const halide_device_interface_t *interface) {
  if (buffer->device != 0) return 0;
  GpuCall *call = call_of(user_context);
  const convgrad_status status =
      convgrad::allocate_block(call->gpu, buffer->size_in_bytes(), &buffer->device, call->reason);
  if (status == CONVGRAD_OK) buffer->device_interface = interface;
  return ended(call, status, halide_error_code_device_malloc_failed);
}

int halide_device_free(void *user_context, halide_buffer_t *buffer) {
  if (buffer->device == 0) return 0;
  convgrad::free_block(call_of(user_context)->gpu, buffer->device);
  buffer->device = 0;
  buffer->device_interface = nullptr;
  return 0;
}

void halide_device_free_as_destructor(void *user_context, void *buffer) {
  halide_device_free(user_context, static_cast<halide_buffer_t *>(buffer));
}

}  // extern "C"
