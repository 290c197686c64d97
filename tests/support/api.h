// Owners of contexts and plans, and what the build holds.
#ifndef CONVGRAD_TESTS_SUPPORT_API_H
#define CONVGRAD_TESTS_SUPPORT_API_H

#include <map>
#include <memory>
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
// kernel "": the library chooses.
Context make_context(const std::string &kernel, int num_threads);

// Contexts that are made once per kernel and number of threads.
class ContextCache {
 public:
  const convgrad_context *get(const std::string &kernel, int num_threads);

 private:
  std::map<std::pair<std::string, int>, Context> contexts_;
};

std::vector<const convgrad_kernel_info *> all_kernels();
std::vector<const convgrad_kernel_info *> kernels_of(convgrad_op op);
std::vector<const convgrad_kernel_info *> usable_kernels_of(convgrad_op op);
std::vector<std::string> all_targets();     // each once
std::vector<std::string> usable_targets();  // those that this machine can run

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_API_H
