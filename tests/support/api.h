// Owners of contexts and plans, and what the build holds.
#ifndef CONVGRAD_TESTS_SUPPORT_API_H
#define CONVGRAD_TESTS_SUPPORT_API_H

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "convgrad/convgrad.h"

namespace convgrad::test {

struct ContextDeleter {
  void operator()(convgrad_context *context) const { convgrad_context_destroy(context); }
};
using Context = std::unique_ptr<convgrad_context, ContextDeleter>;

struct PlanDeleter {
  void operator()(convgrad_plan *plan) const { convgrad_plan_destroy(plan); }
};
using Plan = std::unique_ptr<convgrad_plan, PlanDeleter>;

// Empty on failure, with the reason in convgrad_last_error().
Context make_context(const convgrad_context_options &options);
// kernel "": the library chooses, on the kind of device that is tested.
Context make_context(const std::string &kernel, int num_threads);

// Contexts that are made once per kernel and number of threads.
class ContextCache {
 public:
  const convgrad_context *get(const std::string &kernel, int num_threads);

 private:
  std::map<std::pair<std::string, int>, Context> contexts_;
};

// What kernels run on: a process tests those of one kind of device, "cpu", "opencl" or "cuda".
std::string device_of(const convgrad_kernel_info &kernel);

// Whether the kernel of that name may round more than direct summation does, and spread a NaN over a tile.
bool is_winograd(const std::string &kernel);

std::vector<const convgrad_kernel_info *> all_kernels();  // of the kind of device that is tested, as all below
std::vector<const convgrad_kernel_info *> kernels_of(convgrad_op op);  // by element type
std::vector<const convgrad_kernel_info *> usable_kernels_of(convgrad_op op);
std::vector<convgrad_dtype> all_dtypes();   // each once
std::vector<std::string> all_targets();     // each once
std::vector<std::string> usable_targets();  // those that this machine can run

// What a kernel's name says that it fixes, 3x3s1 or 5x5s2x1; all zero for `any`.
struct FixedFilter {
  std::array<int64_t, 2> filter = {};
  std::array<int64_t, 2> stride = {};

  bool any() const { return filter[0] == 0; }
  bool operator<(const FixedFilter &other) const {
    return filter != other.filter ? filter < other.filter : stride < other.stride;
  }
};
// Empty where the name is not <op>_<dtype>_<target>_<algorithm>_<filter>s<stride>_<tile>, or with `any` for the filter
// and stride.
std::optional<FixedFilter> parse_kernel_name(const convgrad_kernel_info &kernel);
// Each filter and stride that some kernel of the build fixes, on whatever device, once. Aborts on a name that cannot be
// read.
const std::vector<FixedFilter> &fixed_filters();

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_API_H
