// What the entry points of both device APIs share; Halide's names for them differ by the API's alone.
#ifndef CONVGRAD_RUNTIME_GPU_HALIDE_HOOKS_H
#define CONVGRAD_RUNTIME_GPU_HALIDE_HOOKS_H

#include <HalideRuntime.h>

#include <cstddef>
#include <cstdint>

namespace convgrad {

int gpu_initialize_kernels(void *user_context, const char *source, int bytes);
int gpu_run(void *user_context, const char *entry, const int32_t blocks[3], const int32_t threads[3],
            int32_t shared_bytes, const size_t *sizes, void *const *arguments, const int8_t *is_buffer);

}  // namespace convgrad

// Halide's `state` is one a process, so modules are found by the call instead and it is left alone.
#define CONVGRAD_HALIDE_DEVICE_HOOKS(api)                                                                         \
  extern "C" {                                                                                                    \
  const halide_device_interface_t *halide_##api##_device_interface() {                                            \
    static const halide_device_interface_t interface = {};                                                        \
    return &interface;                                                                                            \
  }                                                                                                               \
  int halide_##api##_initialize_kernels(void *user_context, void **, const char *source, int bytes) {             \
    return convgrad::gpu_initialize_kernels(user_context, source, bytes);                                         \
  }                                                                                                               \
  void halide_##api##_finalize_kernels(void *, void *) {}                                                         \
  int halide_##api##_run(void *user_context, void *, const char *entry, int blocks_x, int blocks_y, int blocks_z, \
                         int threads_x, int threads_y, int threads_z, int shared_bytes, size_t sizes[],           \
                         void *arguments[], int8_t is_buffer[]) {                                                 \
    const int32_t blocks[3] = {blocks_x, blocks_y, blocks_z}, threads[3] = {threads_x, threads_y, threads_z};     \
    return convgrad::gpu_run(user_context, entry, blocks, threads, shared_bytes, sizes, arguments, is_buffer);    \
  }                                                                                                               \
  }

#endif
