#include "support/tensorflow_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

namespace convgrad::test {
namespace {

using nlohmann::json;

[[noreturn]] void fail(const std::string &text) {
  std::fprintf(stderr, "tensorflow_cases.json: %s\n", text.c_str());
  std::abort();
}

std::array<int64_t, 4> four(const json &list) { return {list[0], list[1], list[2], list[3]}; }

std::array<int64_t, 4> to_nhwc(std::array<int64_t, 4> shape, bool channels_first) {
  return channels_first ? std::array<int64_t, 4>{shape[0], shape[2], shape[3], shape[1]} : shape;
}

std::vector<double> fill(const json &description, int64_t size) {
  const std::string kind = description.at("kind");
  std::vector<double> values(static_cast<size_t>(size));
  if (kind == "ones") {
    std::fill(values.begin(), values.end(), 1.0);
  } else if (kind == "ramp1") {
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i + 1);
  } else if (kind == "values") {
    values = description.at("values").get<std::vector<double>>();
    if (static_cast<int64_t>(values.size()) != size) fail("values of a wrong count");
  } else if (kind == "hash_ints") {
    const uint32_t seed = description.at("seed");
    if (description.at("mod") != 9) fail("an unknown mod");
    for (size_t i = 0; i < values.size(); ++i) {
      uint32_t u = static_cast<uint32_t>(i) * 2654435761u + seed * 0x9E3779B9u;
      u ^= u >> 16;
      u *= 0x85ebca6bu;
      u ^= u >> 13;
      u *= 0xc2b2ae35u;
      u ^= u >> 16;
      values[i] = static_cast<int>(u % 9) - 4;
    }
  } else {
    fail("an unknown kind of data: " + kind);
  }
  return values;
}

TensorFlowCase read_case(const json &entry) {
  TensorFlowCase result;
  result.name = entry.at("name");
  const bool channels_first = entry.at("data_format") == "NCHW";
  const std::array<int64_t, 4> input = to_nhwc(four(entry.at("input_sizes")), channels_first);
  const std::array<int64_t, 4> filter = four(entry.at("filter_sizes"));
  result.output_sizes = to_nhwc(four(entry.at("output_sizes")), channels_first);
  result.pads = four(entry.at("resolved_pads_tblr"));
  Problem &problem = result.problem;
  const bool by_input = entry.at("op") == "backprop_input";
  problem.op = by_input ? CONVGRAD_OP_CONV2D_BACKPROP_INPUT : CONVGRAD_OP_CONV2D_BACKPROP_FILTER;
  problem.data_format = channels_first ? CONVGRAD_NCHW : CONVGRAD_NHWC;
  problem.batch = input[0];
  problem.in_height = input[1];
  problem.in_width = input[2];
  problem.in_channels = input[3];
  problem.filter_height = filter[0];
  problem.filter_width = filter[1];
  problem.out_channels = filter[3];
  problem.groups = entry.at("groups");
  problem.strides = {entry.at("strides")[0], entry.at("strides")[1]};
  problem.dilations = {entry.at("dilations")[0], entry.at("dilations")[1]};
  const json &padding = entry.at("padding");
  if (padding.is_string()) {
    problem.padding = padding == "SAME" ? CONVGRAD_SAME : CONVGRAD_VALID;
  } else {
    problem.padding = CONVGRAD_EXPLICIT;
    problem.explicit_paddings = {padding[1][0], padding[1][1], padding[2][0], padding[2][1]};
  }
  const int64_t input_size = input[0] * input[1] * input[2] * input[3];
  const int64_t filter_size = filter[0] * filter[1] * filter[2] * filter[3];
  const std::array<int64_t, 4> &output = result.output_sizes;
  const json &data = entry.at("data");
  result.first = by_input ? fill(data.at("filter"), filter_size) : fill(data.at("input"), input_size);
  result.second = fill(data.at("out_backprop"), output[0] * output[1] * output[2] * output[3]);
  if (!entry.at("expected").is_null()) result.expected = entry.at("expected").get<std::vector<double>>();
  const json &checksum = entry.at("checksum");
  result.size = checksum.at("n");
  result.sum = checksum.at("sum");
  result.sum_of_squares = checksum.at("sumsq");
  result.max_abs = checksum.at("max_abs");
  for (const json &sample : checksum.at("samples")) result.samples.emplace_back(sample[0], sample[1]);
  return result;
}

}  // namespace

std::vector<TensorFlowCase> load_tensorflow_cases() {
  std::ifstream file(std::string(CONVGRAD_DATA_DIR) + "/tensorflow_cases.json");
  if (!file) fail("cannot be opened");
  const json document = json::parse(file);
  std::vector<TensorFlowCase> cases;
  for (const json &entry : document.at("cases")) cases.push_back(read_case(entry));
  return cases;
}

::testing::AssertionResult agrees_with(const TensorFlowCase &reference_case, const std::vector<double> &result) {
  if (static_cast<int64_t>(result.size()) != reference_case.size) {
    return ::testing::AssertionFailure() << result.size() << " elements, expected " << reference_case.size;
  }
  // Dense, so that an offset is an index in the result's own layout.
  const std::vector<int64_t> offsets = layouts_of(reference_case.problem).result.offsets();
  std::vector<double> values(result.size());
  for (size_t i = 0; i < result.size(); ++i) values[static_cast<size_t>(offsets[i])] = result[i];
  for (size_t i = 0; i < reference_case.expected.size(); ++i) {
    if (values[i] != reference_case.expected[i]) {
      return ::testing::AssertionFailure()
             << "element " << i << " is " << values[i] << ", expected " << reference_case.expected[i];
    }
  }
  double sum = 0, sum_of_squares = 0, max_abs = 0;
  for (const double value : values) {
    sum += value;
    sum_of_squares += value * value;
    max_abs = std::max(max_abs, std::fabs(value));
  }
  if (sum != reference_case.sum || sum_of_squares != reference_case.sum_of_squares ||
      max_abs != reference_case.max_abs) {
    return ::testing::AssertionFailure() << "sum " << sum << ", of squares " << sum_of_squares << ", largest "
                                         << max_abs << "; expected " << reference_case.sum << ", "
                                         << reference_case.sum_of_squares << ", " << reference_case.max_abs;
  }
  for (const auto &[index, value] : reference_case.samples) {
    if (values.at(index) != value) {
      return ::testing::AssertionFailure() << "element " << index << " is " << values[index] << ", expected " << value;
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace convgrad::test
