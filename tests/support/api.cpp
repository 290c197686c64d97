#include "support/api.h"

#include <algorithm>

namespace convgrad::test {

Context make_context(const convgrad_context_options &options) {
  convgrad_context *context = nullptr;
  if (convgrad_context_create(&options, &context) != CONVGRAD_OK) return nullptr;
  return Context(context);
}

Context make_context(const std::string &kernel, int num_threads) {
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = num_threads;
  options.kernel = kernel.empty() ? nullptr : kernel.c_str();
  return make_context(options);
}

const convgrad_context *ContextCache::get(const std::string &kernel, int num_threads) {
  Context &context = contexts_[{kernel, num_threads}];
  if (context == nullptr) context = make_context(kernel, num_threads);
  return context.get();
}

std::vector<const convgrad_kernel_info *> all_kernels() {
  std::vector<const convgrad_kernel_info *> kernels;
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) kernels.push_back(convgrad_kernel_at(i));
  return kernels;
}

std::vector<const convgrad_kernel_info *> kernels_of(convgrad_op op) {
  std::vector<const convgrad_kernel_info *> kernels = all_kernels();
  kernels.erase(std::remove_if(kernels.begin(), kernels.end(), [&](const auto *kernel) { return kernel->op != op; }),
                kernels.end());
  return kernels;
}

std::vector<const convgrad_kernel_info *> usable_kernels_of(convgrad_op op) {
  std::vector<const convgrad_kernel_info *> kernels = kernels_of(op);
  kernels.erase(
      std::remove_if(kernels.begin(), kernels.end(), [](const auto *kernel) { return kernel->usable_here == 0; }),
      kernels.end());
  return kernels;
}

std::vector<std::string> all_targets() {
  std::vector<std::string> targets;
  for (const auto *kernel : all_kernels()) {
    if (std::find(targets.begin(), targets.end(), kernel->target) == targets.end()) targets.push_back(kernel->target);
  }
  return targets;
}

std::vector<std::string> usable_targets() {
  std::vector<std::string> targets;
  for (const auto *kernel : all_kernels()) {
    if (kernel->usable_here != 0 && std::find(targets.begin(), targets.end(), kernel->target) == targets.end()) {
      targets.push_back(kernel->target);
    }
  }
  return targets;
}

}  // namespace convgrad::test
