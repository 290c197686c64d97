// Wrong contexts, plans and shapes, and what convgrad_last_error() promises.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "errors/call.h"

namespace convgrad::test {
namespace {

TEST(ContextErrors, BadOptions) {
  const auto refused = [](const convgrad_context_options &options, const char *part) {
    auto *context = reinterpret_cast<convgrad_context *>(16);
    EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_INVALID_ARGUMENT) << part;
    EXPECT_EQ(context, nullptr) << part;
    EXPECT_NE(std::string(convgrad_last_error()).find(part), std::string::npos) << convgrad_last_error();
    ++tally().problems;
  };
  convgrad_context_options options = convgrad_context_options_default();
  for (size_t size : {size_t{0}, size_t{3}, sizeof options + 1}) {
    options = convgrad_context_options_default();
    options.struct_size = size;
    refused(options, "struct_size");
  }
  options = convgrad_context_options_default();
  options.num_threads = -1;
  refused(options, "num_threads");
  for (int32_t strict : {-1, 2}) {
    options = convgrad_context_options_default();
    options.strict = strict;
    refused(options, "strict");
  }
  EXPECT_EQ(convgrad_context_create(nullptr, nullptr), CONVGRAD_INVALID_ARGUMENT);
}

TEST(ContextErrors, AShorterStructHasDefaults) {
  convgrad_context_options options = convgrad_context_options_default();
  options.struct_size = offsetof(convgrad_context_options, target);
  options.target = "no such target";
  options.kernel = "no such kernel";
  EXPECT_NE(make_context(options), nullptr) << convgrad_last_error();
}

TEST(ContextErrors, DestroyingNullDoesNothing) {
  convgrad_context_destroy(nullptr);
  convgrad_plan_destroy(nullptr);
}

TEST(PlanErrors, BadArguments) {
  Call call(Function::kConv2d);
  auto *plan = reinterpret_cast<convgrad_plan *>(16);
  for (convgrad_op op : {-1, 3, 99}) {
    plan = reinterpret_cast<convgrad_plan *>(16);
    EXPECT_EQ(convgrad_plan_create(nullptr, op, &call.attrs, &call.first, &call.second, &call.result, &plan),
              CONVGRAD_INVALID_ARGUMENT);
    EXPECT_EQ(plan, nullptr);
    EXPECT_NE(std::string(convgrad_last_error()).find(std::to_string(op)), std::string::npos) << convgrad_last_error();
  }
  EXPECT_EQ(
      convgrad_plan_create(nullptr, CONVGRAD_OP_CONV2D, &call.attrs, &call.first, &call.second, &call.result, nullptr),
      CONVGRAD_INVALID_ARGUMENT);
  for (int which = 0; which < 4; ++which) {
    plan = reinterpret_cast<convgrad_plan *>(16);
    EXPECT_EQ(convgrad_plan_create(nullptr, CONVGRAD_OP_CONV2D, which == 0 ? nullptr : &call.attrs,
                                   which == 1 ? nullptr : &call.first, which == 2 ? nullptr : &call.second,
                                   which == 3 ? nullptr : &call.result, &plan),
              CONVGRAD_INVALID_ARGUMENT);
    EXPECT_EQ(plan, nullptr);
  }
  EXPECT_STREQ(convgrad_plan_kernel(nullptr), "");
  EXPECT_EQ(convgrad_plan_workspace_size(nullptr), 0u);
}

TEST(PlanErrors, BadRuns) {
  for (Function function : {Function::kConv2d, Function::kBackpropInput, Function::kBackpropFilter}) {
    Call call(function);
    const convgrad_op op = function == Function::kConv2d          ? CONVGRAD_OP_CONV2D
                           : function == Function::kBackpropInput ? CONVGRAD_OP_CONV2D_BACKPROP_INPUT
                                                                  : CONVGRAD_OP_CONV2D_BACKPROP_FILTER;
    convgrad_plan *raw = nullptr;
    ASSERT_EQ(convgrad_plan_create(nullptr, op, &call.attrs, &call.first, &call.second, &call.result, &raw),
              CONVGRAD_OK)
        << convgrad_last_error();
    const Plan plan(raw);
    const auto refused = [&](const convgrad_plan *which, const void *a, const void *b, void *c, void *workspace,
                             const std::string &part) {
      EXPECT_EQ(convgrad_plan_run(which, a, b, c, workspace), CONVGRAD_INVALID_ARGUMENT) << part;
      EXPECT_NE(std::string(convgrad_last_error()).find(part), std::string::npos) << convgrad_last_error();
      EXPECT_TRUE(call.nothing_written()) << part;
      ++tally().problems;
    };
    void *const a = call.first.data;
    void *const b = call.second.data;
    void *const c = call.result.data;
    refused(nullptr, a, b, c, nullptr, "plan");
    refused(raw, nullptr, b, c, nullptr, call.name_of(call.first));
    refused(raw, a, nullptr, c, nullptr, call.name_of(call.second));
    refused(raw, a, b, nullptr, nullptr, call.name_of(call.result));
    refused(raw, static_cast<char *>(a) + 1, b, c, nullptr, call.name_of(call.first));
    refused(raw, c, b, c, nullptr, "overlap");
    refused(raw, a, c, c, nullptr, "overlap");
    alignas(64) static char workspace[1 << 20];
    if (convgrad_plan_workspace_size(raw) < sizeof workspace && convgrad_plan_workspace_size(raw) > 0) {
      refused(raw, a, b, c, workspace + 4, "workspace");
    }
    // Tensors within the workspace, and at either end of it.
    const size_t bytes = convgrad_plan_workspace_size(raw);
    ASSERT_GT(bytes, 0u);
    std::vector<char> room(bytes + (size_t{2} << 16) + CONVGRAD_WORKSPACE_ALIGNMENT, 0);
    const auto base = reinterpret_cast<uintptr_t>(room.data()) + (1 << 16);
    char *const scratch = room.data() + (1 << 16) + (64 - base % 64) % 64;
    const std::string text = "overlaps ";
    for (char *inside : {scratch, scratch + 64, scratch + bytes - 4, scratch - 4}) {
      refused(raw, inside, b, c, scratch, text + call.name_of(call.first));
      EXPECT_NE(std::string(convgrad_last_error()).find("workspace"), std::string::npos) << convgrad_last_error();
      refused(raw, a, inside, c, scratch, text + call.name_of(call.second));
      refused(raw, a, b, inside, scratch, text + call.name_of(call.result));
    }
    refused(raw, a, b, c, reinterpret_cast<void *>(UINTPTR_MAX / 64 * 64), "workspace");
    EXPECT_EQ(convgrad_plan_run(raw, a, scratch + bytes, c, scratch), CONVGRAD_OK) << convgrad_last_error();
    fill_pattern(call.memory[2].data(), call.memory[2].size() * sizeof(float));
    EXPECT_EQ(convgrad_plan_run(raw, a, b, c, nullptr), CONVGRAD_OK) << convgrad_last_error();
  }
}

TEST(OutputShape, FollowsTheFormula) {
  for (const Problem &problem : load_shapes("edge.txt")) {
    if (problem.op != CONVGRAD_OP_CONV2D) continue;
    const Layouts layouts = layouts_of(problem);
    const convgrad_conv2d_attrs attrs = problem.attrs();
    int64_t shape[4] = {-7, -7, -7, -7};
    ASSERT_EQ(convgrad_conv2d_output_shape(&attrs, layouts.first.shape.data(), layouts.second.shape.data(), shape),
              CONVGRAD_OK)
        << problem.to_string() << ": " << convgrad_last_error();
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(shape[i], layouts.result.shape[i]) << problem.to_string();
    ++tally().problems;
  }
}

TEST(OutputShape, WritesNothingOnFailure) {
  const convgrad_conv2d_attrs good = convgrad_conv2d_attrs_default();
  convgrad_conv2d_attrs bad = good;
  bad.strides[1] = 0;
  const int64_t input[4] = {1, 5, 5, 4};
  const int64_t filter[4] = {3, 3, 4, 6};
  const int64_t big_filter[4] = {9, 3, 4, 6};
  const int64_t negative[4] = {1, -5, 5, 4};
  const int64_t before[4] = {7, 7, 7, 7};
  int64_t shape[4] = {7, 7, 7, 7};
  EXPECT_EQ(convgrad_conv2d_output_shape(&bad, input, filter, shape), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(convgrad_conv2d_output_shape(&good, input, big_filter, shape), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(convgrad_conv2d_output_shape(&good, negative, filter, shape), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(convgrad_conv2d_output_shape(nullptr, input, filter, shape), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(convgrad_conv2d_output_shape(&good, nullptr, filter, shape), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(convgrad_conv2d_output_shape(&good, input, nullptr, shape), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(convgrad_conv2d_output_shape(&good, input, filter, nullptr), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(std::memcmp(shape, before, sizeof shape), 0);
  EXPECT_EQ(convgrad_conv2d_output_shape(&good, input, filter, shape), CONVGRAD_OK);
  EXPECT_EQ(shape[1], 3);
}

TEST(LastError, IsTheThreadsLatestFailure) {
  std::thread([] {
    EXPECT_STREQ(convgrad_last_error(), "");
    Call call(Function::kConv2d);
    EXPECT_EQ(call.run(), CONVGRAD_OK);
    EXPECT_STREQ(convgrad_last_error(), "");
    call.attrs.strides[0] = 0;
    EXPECT_NE(call.run(), CONVGRAD_OK);
    const std::string first = convgrad_last_error();
    EXPECT_NE(first, "");
    // Unchanged by success, and by another thread's failure.
    call.attrs.strides[0] = 1;
    EXPECT_EQ(call.run(), CONVGRAD_OK);
    EXPECT_EQ(convgrad_last_error(), first);
    std::thread([] {
      EXPECT_STREQ(convgrad_last_error(), "");
      Call other(Function::kBackpropFilter);
      other.attrs.dilations[0] = -3;
      EXPECT_NE(other.run(), CONVGRAD_OK);
      EXPECT_NE(std::string(convgrad_last_error()).find("-3"), std::string::npos);
    }).join();
    EXPECT_EQ(convgrad_last_error(), first);
    // The next failure replaces it.
    call.attrs.dilations[1] = -4;
    EXPECT_NE(call.run(), CONVGRAD_OK);
    EXPECT_NE(convgrad_last_error(), first);
  }).join();
}

TEST(Names, StatusAndVersion) {
  const char *const names[] = {"OK", "INVALID_ARGUMENT", "UNSUPPORTED", "OUT_OF_MEMORY", "DEVICE_ERROR", "INTERNAL"};
  for (int i = 0; i < 6; ++i) EXPECT_STREQ(convgrad_status_string(i), names[i]);
  for (int bad : {-1, 6, 1000}) {
    ASSERT_NE(convgrad_status_string(bad), nullptr);
    for (const char *name : names) EXPECT_STRNE(convgrad_status_string(bad), name);
  }
  EXPECT_EQ(std::string(convgrad_version()), std::to_string(CONVGRAD_VERSION_MAJOR) + "." +
                                                 std::to_string(CONVGRAD_VERSION_MINOR) + "." +
                                                 std::to_string(CONVGRAD_VERSION_PATCH));
}

}  // namespace
}  // namespace convgrad::test
