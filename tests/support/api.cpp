#include "support/api.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <set>

#include "support/run.h"

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
  if (kernel.empty() && test_options().device != "cpu") options.target = test_options().device.c_str();
  return make_context(options);
}

const convgrad_context *ContextCache::get(const std::string &kernel, int num_threads) {
  Context &context = contexts_[{kernel, num_threads}];
  if (context == nullptr) context = make_context(kernel, num_threads);
  return context.get();
}

std::string device_of(const convgrad_kernel_info &kernel) {
  const std::string target = kernel.target;
  for (const char *device : {"cuda", "opencl"}) {
    if (target.rfind(device, 0) == 0) return device;
  }
  return "cpu";
}

std::vector<const convgrad_kernel_info *> all_kernels() {
  std::vector<const convgrad_kernel_info *> kernels;
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
    const convgrad_kernel_info *kernel = convgrad_kernel_at(i);
    if (device_of(*kernel) == test_options().device) kernels.push_back(kernel);
  }
  return kernels;
}

bool is_winograd(const std::string &kernel) { return kernel.find("_winograd_") != std::string::npos; }

std::vector<const convgrad_kernel_info *> kernels_of(convgrad_op op) {
  std::vector<const convgrad_kernel_info *> kernels = all_kernels();
  kernels.erase(std::remove_if(kernels.begin(), kernels.end(), [&](const auto *kernel) { return kernel->op != op; }),
                kernels.end());
  std::stable_sort(kernels.begin(), kernels.end(), [](const auto *a, const auto *b) { return a->dtype < b->dtype; });
  return kernels;
}

std::vector<const convgrad_kernel_info *> usable_kernels_of(convgrad_op op) {
  std::vector<const convgrad_kernel_info *> kernels = kernels_of(op);
  kernels.erase(
      std::remove_if(kernels.begin(), kernels.end(), [](const auto *kernel) { return kernel->usable_here == 0; }),
      kernels.end());
  return kernels;
}

std::vector<convgrad_dtype> all_dtypes() {
  std::set<convgrad_dtype> dtypes;
  for (const auto *kernel : all_kernels()) dtypes.insert(kernel->dtype);
  return {dtypes.begin(), dtypes.end()};
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

std::optional<FixedFilter> parse_kernel_name(const convgrad_kernel_info &kernel) {
  const std::string prefix = std::string(problems::op_name(kernel.op)) + "_" + problems::dtype_info(kernel.dtype).name +
                             "_" + kernel.target + "_" + kernel.algorithm + "_";
  const std::string name = kernel.name;
  if (name.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
  static const std::regex shape("(any|([1-9][0-9]*)x([1-9][0-9]*)s([1-9][0-9]*)(x([1-9][0-9]*))?)_[a-z0-9_]+");
  std::smatch match;
  const std::string rest = name.substr(prefix.size());
  if (!std::regex_match(rest, match, shape)) return std::nullopt;
  FixedFilter fixed;
  if (match[1] == "any") return fixed;
  fixed.filter = {std::stoll(match[2]), std::stoll(match[3])};
  const int64_t stride_height = std::stoll(match[4]);
  fixed.stride = {stride_height, match[6].matched ? std::stoll(match[6]) : stride_height};
  return fixed;
}

namespace {
std::vector<FixedFilter> read_fixed_filters() {
  std::set<FixedFilter> filters;
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
    const convgrad_kernel_info *kernel = convgrad_kernel_at(i);
    const std::optional<FixedFilter> fixed = parse_kernel_name(*kernel);
    if (!fixed) {
      std::fprintf(stderr, "the kernel name %s does not say its filter and stride\n", kernel->name);
      std::abort();
    }
    if (!fixed->any()) filters.insert(*fixed);
  }
  return {filters.begin(), filters.end()};
}
}  // namespace

const std::vector<FixedFilter> &fixed_filters() {
  static const std::vector<FixedFilter> filters = read_fixed_filters();
  return filters;
}

}  // namespace convgrad::test
