#include "kernel_list.h"

#include <pthread.h>

#include <cstring>

#include "build_targets.h"
#include "choose_kernel.h"
#include "gpu/gpu.h"
#include "hardware.h"
#include "kernel_table.h"
#include "os/no_cancellation.h"
#include "problem.h"

namespace convgrad {
namespace {

#define CONVGRAD_FACT(fact, value) kernel.fact = value;
#define CONVGRAD_LISTED(op, name, dtype, target, algorithm, facts)                                            \
  [] {                                                                                                        \
    Kernel kernel = {};                                                                                       \
    facts return ListedKernel{#name, &target_##target, #algorithm, op, CONVGRAD_##dtype, kernel.strict != 0}; \
  }(),

constexpr ListedKernel kListed[] = {
#define CONVGRAD_KERNEL(name, dtype, target, algorithm, facts) \
  CONVGRAD_LISTED(CONVGRAD_OP_CONV2D, name, dtype, target, algorithm, facts)
#include "kernels_conv2d.inc"
#undef CONVGRAD_KERNEL
#define CONVGRAD_KERNEL(name, dtype, target, algorithm, facts) \
  CONVGRAD_LISTED(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, name, dtype, target, algorithm, facts)
#include "kernels_conv2d_backprop_input.inc"
#undef CONVGRAD_KERNEL
#define CONVGRAD_KERNEL(name, dtype, target, algorithm, facts) \
  CONVGRAD_LISTED(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, name, dtype, target, algorithm, facts)
#include "kernels_conv2d_backprop_filter.inc"
#undef CONVGRAD_KERNEL
};
#undef CONVGRAD_FACT

constexpr size_t kCount = sizeof kListed / sizeof kListed[0];

convgrad_kernel_info infos[kCount];
pthread_once_t infos_once = PTHREAD_ONCE_INIT, gpu_infos_once = PTHREAD_ONCE_INIT;

bool is_gpu(const ListedKernel &kernel) { return kernel.target->device != DeviceKind::CPU; }

void make_infos() {
  for (size_t i = 0; i < kCount; ++i) {
    const ListedKernel &kernel = kListed[i];
    Text ignored;
    const bool runs = !is_gpu(kernel) && usable(*kernel.target, this_machine(), &ignored);
    infos[i] = {kernel.name, kernel.target->name, kernel.algorithm, kernel.op, kernel.dtype, runs ? 1 : 0, 0};
  }
}

// When a GPU's kernel is first asked for: drivers take their time to start.
void find_gpus() {
  if constexpr (kHasGpu) {
    for (size_t i = 0; i < kCount; ++i) {
      if (!is_gpu(kListed[i])) continue;
      size_t same = 0;
      while (kListed[same].target != kListed[i].target) ++same;
      Text ignored;
      infos[i].usable_here = same < i ? infos[same].usable_here : gpu_usable(*kListed[i].target, &ignored);
    }
  }
}

}  // namespace

const ListedKernel *find_kernel(const char *name) {
  for (const ListedKernel &kernel : kListed) {
    if (strcmp(kernel.name, name) == 0) return &kernel;
  }
  return nullptr;
}

}  // namespace convgrad

size_t convgrad_kernel_count(void) { return convgrad::kCount; }

const convgrad_kernel_info *convgrad_kernel_at(size_t index) {
  if (index >= convgrad::kCount) return nullptr;
  const convgrad::NoCancellation scope;
  pthread_once(&convgrad::infos_once, convgrad::make_infos);
  if (convgrad::is_gpu(convgrad::kListed[index])) pthread_once(&convgrad::gpu_infos_once, convgrad::find_gpus);
  return &convgrad::infos[index];
}
