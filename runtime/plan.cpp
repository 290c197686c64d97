#include <new>

#include "last_error.h"
#include "os/no_cancellation.h"
#include "prepared_call.h"

struct convgrad_plan {
  convgrad::PreparedCall call;
};

namespace convgrad {
namespace {

const Op *find_op(convgrad_op op) {
  switch (op) {
    case CONVGRAD_OP_CONV2D:
      return &conv2d_op;
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return &conv2d_backprop_input_op;
    case CONVGRAD_OP_CONV2D_BACKPROP_FILTER:
      return &conv2d_backprop_filter_op;
  }
  return nullptr;
}

}  // namespace
}  // namespace convgrad

convgrad_status convgrad_plan_create(const convgrad_context *ctx, convgrad_op op, const convgrad_conv2d_attrs *attrs,
                                     const convgrad_tensor *first, const convgrad_tensor *second,
                                     const convgrad_tensor *result, convgrad_plan **plan) {
  using namespace convgrad;
  const NoCancellation scope;
  if (plan == nullptr) return fail(CONVGRAD_INVALID_ARGUMENT, "plan_create: plan is NULL");
  *plan = nullptr;
  const Op *found = find_op(op);
  if (found == nullptr) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "plan_create: op is %d, expected a convgrad_op (0 to %d)", op,
                CONVGRAD_OP_CONV2D_BACKPROP_FILTER);
  }
  convgrad_status status = CONVGRAD_OK;
  const Settings *settings = settings_of(ctx, &status);
  if (settings == nullptr) return status;
  const convgrad_tensor *const tensors[3] = {first, second, result};
  PreparedCall call;
  status = prepare_call(*found, *settings, attrs, tensors, &call);
  if (status != CONVGRAD_OK) return status;
  Text reason;
  void *block = allocate(settings->memory, sizeof(convgrad_plan), alignof(convgrad_plan), &reason);
  if (block == nullptr) return fail(CONVGRAD_OUT_OF_MEMORY, "plan_create: %s of a plan", reason.c_str());
  retain(*settings);
  *plan = new (block) convgrad_plan{call};
  return CONVGRAD_OK;
}

const char *convgrad_plan_kernel(const convgrad_plan *plan) {
  return plan == nullptr || plan->call.kernel == nullptr ? "" : plan->call.kernel->name;
}

size_t convgrad_plan_workspace_size(const convgrad_plan *plan) {
  return plan == nullptr ? 0 : convgrad::workspace_size(plan->call);
}

convgrad_status convgrad_plan_run(const convgrad_plan *plan, const void *first, const void *second, void *result,
                                  void *workspace) {
  const convgrad::NoCancellation scope;
  if (plan == nullptr) return convgrad::fail(CONVGRAD_INVALID_ARGUMENT, "plan_run: plan is NULL");
  const void *const data[3] = {first, second, result};
  return convgrad::run_call(plan->call, data, workspace);
}

void convgrad_plan_destroy(convgrad_plan *plan) {
  if (plan == nullptr) return;
  const convgrad::NoCancellation scope;
  const convgrad::Settings settings = plan->call.settings;
  plan->~convgrad_plan();
  convgrad::release(settings.memory, plan);
  convgrad::release(settings);
}
