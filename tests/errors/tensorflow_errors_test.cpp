// Arguments at the edge of what TensorFlow allows, from data/tensorflow_error_cases.json.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "errors/call.h"

namespace convgrad::test {
namespace {

using nlohmann::json;

// Shapes whose products may be anything; the memory behind a rejected case is never touched, so little will do.
constexpr int64_t kMostElements = 4000000;

int64_t elements(const json &shape) {
  int64_t product = 1;
  for (const json &one : shape) {
    const int64_t size = one;
    if (size < 0 || (size != 0 && product > kMostElements / size)) return 1;
    product *= size;
  }
  return product;
}

TEST(TensorFlowErrors, AcceptedAndRejectedAlike) {
  std::ifstream file(std::string(CONVGRAD_DATA_DIR) + "/tensorflow_error_cases.json");
  ASSERT_TRUE(file);
  const json document = json::parse(file);
  int accepted = 0;
  int rejected = 0;
  for (const json &entry : document.at("cases")) {
    const bool by_input = entry.at("op") == "backprop_input";
    const bool accept = entry.at("want") == "accept";
    ASSERT_TRUE(accept || entry.at("want") == "reject");
    const std::string name = entry.at("name");
    SCOPED_TRACE(name + ", " + entry.at("op").get<std::string>());
    Call call(by_input ? Function::kBackpropInput : Function::kBackpropFilter);
    const auto set = [&](convgrad_tensor *tensor, std::vector<float> *memory, const json &shape) {
      for (size_t i = 0; i < 4; ++i) tensor->shape[i] = shape[i];
      memory->assign(static_cast<size_t>(elements(shape)) + Call::kSlack, 1.0f);
      tensor->data = memory->data();
    };
    set(&call.x(), &call.memory[by_input ? 2 : 0], entry.at("input_sizes"));
    set(&call.filter(), &call.memory[by_input ? 0 : 2], entry.at("filter_sizes"));
    set(&call.y(), &call.memory[1], entry.at("output_sizes"));
    fill_pattern(call.memory[2].data(), call.memory[2].size() * sizeof(float));
    call.attrs.data_format = entry.at("data_format") == "NCHW" ? CONVGRAD_NCHW : CONVGRAD_NHWC;
    for (size_t i = 0; i < 2; ++i) {
      call.attrs.strides[i] = entry.at("strides")[i];
      call.attrs.dilations[i] = entry.at("dilations")[i];
    }
    const json &padding = entry.at("padding");
    if (padding.is_string()) {
      call.attrs.padding = padding == "SAME" ? CONVGRAD_SAME : CONVGRAD_VALID;
    } else {
      call.attrs.padding = CONVGRAD_EXPLICIT;
      for (size_t i = 0; i < 4; ++i) call.attrs.explicit_paddings[i] = padding[1 + i / 2][i % 2];
    }
    const convgrad_status status = call.run();
    const std::string text = status == CONVGRAD_OK ? "" : convgrad_last_error();
    ++tally().problems;
    if (accept) {
      EXPECT_EQ(status, CONVGRAD_OK) << text;
      const json &result = entry.at(by_input ? "input_sizes" : "filter_sizes");
      const size_t size = static_cast<size_t>(elements(result));
      // Overwritten to the last element and no further; ones are summed, so no result is a NaN.
      for (size_t i = 0; i < size; ++i) ASSERT_EQ(call.memory[2][i], call.memory[2][i]) << "element " << i;
      EXPECT_TRUE(holds_pattern(call.memory[2].data() + size, Call::kSlack * sizeof(float)));
      ++accepted;
    } else {
      EXPECT_TRUE(status == CONVGRAD_INVALID_ARGUMENT || status == CONVGRAD_UNSUPPORTED)
          << convgrad_status_string(status);
      EXPECT_NE(text.find(call.op()), std::string::npos) << text;
      EXPECT_TRUE(call.nothing_written());
      ++rejected;
    }
  }
  EXPECT_GE(accepted, 10);
  EXPECT_GE(rejected, 10);
}

}  // namespace
}  // namespace convgrad::test
