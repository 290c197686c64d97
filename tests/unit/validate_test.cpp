#include "validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "example_problem.h"

namespace convgrad {
namespace {

using ::testing::HasSubstr;

constexpr int64_t huge = std::numeric_limits<int64_t>::max();

class Validate : public ::testing::Test {
 protected:
  convgrad_status run(const OpInfo &op) {
    const convgrad_tensor *by_role[3] = {&example.input, &example.filter, &example.output};
    const convgrad_tensor *const tensors[3] = {by_role[op.role[0]], by_role[op.role[1]], by_role[op.role[2]]};
    return validate_problem(op, CONVGRAD_HOST, &example.attrs, tensors, &problem);
  }

  // The status, and every one of the texts in the message, which names the op.
  void expect_failure(convgrad_status status, const std::vector<std::string> &texts,
                      const OpInfo &op = backprop_input_info) {
    EXPECT_EQ(run(op), status) << convgrad_last_error();
    EXPECT_THAT(convgrad_last_error(), HasSubstr(op.name));
    for (const std::string &text : texts) EXPECT_THAT(convgrad_last_error(), HasSubstr(text));
  }
  void expect_invalid(const std::vector<std::string> &texts, const OpInfo &op = backprop_input_info) {
    expect_failure(CONVGRAD_INVALID_ARGUMENT, texts, op);
  }
  void expect_ok(const OpInfo &op = backprop_input_info) { EXPECT_EQ(run(op), CONVGRAD_OK) << convgrad_last_error(); }

  Example example;
  Problem problem;
};

TEST_F(Validate, AcceptsTheExample) {
  expect_ok(conv2d_info);
  expect_ok(backprop_input_info);
  expect_ok(backprop_filter_info);
  EXPECT_EQ(problem.axis[HEIGHT].before, 1);
  EXPECT_EQ(problem.axis[WIDTH].out, 5);
  EXPECT_EQ(problem.groups, 1);
  EXPECT_EQ(problem.tensor[INPUT].span, 100);
  EXPECT_EQ(problem.tensor[OUTPUT].stride[1], 2);
}

TEST_F(Validate, OutputThatDoesNotFollowFromTheInput) {
  example.output = tensor_of({1, 3, 3, 2});
  expect_invalid(
      {"out_backprop", "[1,3,3,2]", "[1,5,5,2]", "in_backprop [1,5,5,1]", "filter [3,3,1,2]", "SAME", "strides [1,1]"});
  expect_invalid({"out_backprop", "[1,5,5,2]", "input [1,5,5,1]", "filter_backprop [3,3,1,2]"}, backprop_filter_info);
  expect_invalid({"output", "[1,5,5,2]"}, conv2d_info);
  const OpInfo transpose = {
      CONVGRAD_OP_CONV2D_BACKPROP_INPUT, "conv2d_transpose", {"input", "filter", "output"}, {OUTPUT, FILTER, INPUT}};
  expect_invalid({"conv2d_transpose: input has shape [1,3,3,2], expected [1,5,5,2]", "output [1,5,5,1]"}, transpose);
}

TEST_F(Validate, BatchAndChannelsOfTheOutput) {
  example.output = tensor_of({2, 5, 5, 2});
  expect_invalid({"out_backprop", "[2,5,5,2]", "[1,5,5,2]"});
  example.output = tensor_of({1, 5, 5, 3});
  expect_invalid({"out_backprop", "[1,5,5,3]", "[1,5,5,2]"});
}

TEST_F(Validate, ShapesAreInTheDataFormat) {
  example.attrs.data_format = CONVGRAD_NCHW;
  example.input = tensor_of({1, 1, 5, 6});
  example.output = tensor_of({1, 2, 5, 6});
  expect_ok();
  EXPECT_EQ(problem.axis[HEIGHT].in, 5);
  EXPECT_EQ(problem.axis[WIDTH].in, 6);
  EXPECT_EQ(problem.tensor[OUTPUT].stride[0], 30);
  EXPECT_EQ(problem.tensor[OUTPUT].stride[1], 1);
  example.output = tensor_of({1, 5, 6, 2});
  expect_invalid({"[1,5,6,2]", "[1,2,5,6]", "in_backprop [1,1,5,6] read as NCHW"});
}

TEST_F(Validate, NullArguments) {
  const convgrad_tensor *tensors[3] = {&example.filter, &example.output, &example.input};
  EXPECT_EQ(validate_problem(backprop_input_info, CONVGRAD_HOST, nullptr, tensors, &problem),
            CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("attrs is NULL"));
  for (int i = 0; i < 3; ++i) {
    const convgrad_tensor *broken[3] = {tensors[0], tensors[1], tensors[2]};
    broken[i] = nullptr;
    EXPECT_EQ(validate_problem(backprop_input_info, CONVGRAD_HOST, &example.attrs, broken, &problem),
              CONVGRAD_INVALID_ARGUMENT);
    EXPECT_EQ(std::string("conv2d_backprop_input: ") + backprop_input_info.argument[i] + " is NULL",
              convgrad_last_error());
  }
}

TEST_F(Validate, UnknownEnumerationValues) {
  for (int32_t value : {-1, 99}) {
    const std::string text = std::to_string(value);
    example = Example();
    example.attrs.padding = value;
    expect_invalid({"attrs.padding is " + text, "convgrad_padding"});
    example = Example();
    example.attrs.data_format = value;
    expect_invalid({"attrs.data_format is " + text, "convgrad_data_format"});
    example = Example();
    example.output.dtype = value;
    expect_invalid({"out_backprop has dtype " + text, "convgrad_dtype"});
    example = Example();
    example.filter.memory = value;
    expect_invalid({"filter has memory " + text, "convgrad_memory"});
  }
}

TEST_F(Validate, StructSize) {
  for (size_t size : {size_t{0}, size_t{7}, sizeof(convgrad_conv2d_attrs) - 1, sizeof(convgrad_conv2d_attrs) + 8,
                      std::numeric_limits<size_t>::max()}) {
    example.attrs.struct_size = size;
    expect_invalid({"attrs.struct_size is " + std::to_string(size), std::to_string(sizeof(convgrad_conv2d_attrs))});
  }
}

TEST_F(Validate, FieldsBehindAShorterStructHaveTheirDefaults) {
  example.attrs.accumulate = 5;
  example.attrs.reserved = 5;
  example.attrs.data_format = 77;
  expect_invalid({"data_format"});
  example.attrs.struct_size = offsetof(convgrad_conv2d_attrs, data_format);
  expect_ok();
  // Without a padding of its own the struct means VALID.
  example.attrs.struct_size = offsetof(convgrad_conv2d_attrs, padding);
  expect_invalid({"[1,3,3,2]", "VALID"});
  example.output = tensor_of({1, 3, 3, 2});
  expect_ok();
}

TEST_F(Validate, ReservedAndAccumulate) {
  example.attrs.reserved = 1;
  expect_invalid({"attrs.reserved is 1", "expected 0"});
  example = Example();
  example.attrs.accumulate = 2;
  expect_invalid({"attrs.accumulate is 2", "0 or 1"});
  example.attrs.accumulate = 1;
  expect_failure(CONVGRAD_UNSUPPORTED, {"attrs.accumulate is 1"});
}

TEST_F(Validate, WhatIsWrongIsSaidBeforeWhatIsMissing) {
  example.attrs.accumulate = 1;
  example.output = tensor_of({1, 3, 3, 2});
  expect_invalid({"out_backprop"});
}

TEST_F(Validate, Dtypes) {
  example.output.dtype = CONVGRAD_FLOAT16;
  expect_invalid({"out_backprop has dtype FLOAT16", "FLOAT32", "filter"});
  // Which types a build has kernels of is asked later.
  example.input.dtype = example.filter.dtype = CONVGRAD_FLOAT16;
  expect_ok();
}

TEST_F(Validate, DeviceMemory) {
  example.output.memory = CONVGRAD_CUDA;
  expect_failure(CONVGRAD_UNSUPPORTED, {"out_backprop", "CUDA"});
  example.output.memory = CONVGRAD_OPENCL;
  expect_failure(CONVGRAD_UNSUPPORTED, {"out_backprop", "OpenCL"});
}

TEST_F(Validate, StridesAndDilationsBelowOne) {
  for (int64_t value : {int64_t{0}, int64_t{-1}, -huge - 1}) {
    for (int i = 0; i < 2; ++i) {
      example = Example();
      example.attrs.strides[i] = value;
      expect_invalid({"attrs.strides is", std::to_string(value), "at least 1"});
      example = Example();
      example.attrs.dilations[i] = value;
      expect_invalid({"attrs.dilations is", std::to_string(value), "at least 1"});
    }
  }
}

TEST_F(Validate, ExplicitPaddings) {
  for (int i = 0; i < 4; ++i) {
    example = Example();
    example.attrs.explicit_paddings[i] = 1;
    expect_invalid({"attrs.explicit_paddings is [", "because attrs.padding is SAME"});
    example.attrs.padding = CONVGRAD_VALID;
    expect_invalid({"because attrs.padding is VALID"});
    example.attrs.padding = CONVGRAD_EXPLICIT;
    example.attrs.explicit_paddings[i] = -1;
    expect_invalid({"attrs.explicit_paddings is [", "-1", "no negative"});
  }
  example.attrs.explicit_paddings[0] = 2;
  example.attrs.explicit_paddings[1] = 1;
  example.attrs.explicit_paddings[2] = 0;
  example.attrs.explicit_paddings[3] = 3;
  example.output = tensor_of({1, 6, 6, 2});
  expect_ok();
  EXPECT_EQ(problem.axis[HEIGHT].before, 2);
  EXPECT_EQ(problem.axis[WIDTH].before, 0);
  example.output = tensor_of({1, 5, 5, 2});
  expect_invalid({"[1,6,6,2]", "EXPLICIT [2,1,0,3]"});
}

TEST_F(Validate, NegativeSizes) {
  example.input = tensor_of({-1, 5, 5, 1});
  expect_invalid({"in_backprop", "[-1,5,5,1]", "negative"});
  example = Example();
  example.filter = tensor_of({3, -3, 1, 2});
  expect_invalid({"filter", "[3,-3,1,2]", "negative"});
  example = Example();
  example.output = tensor_of({1, 5, 5, -2});
  expect_invalid({"out_backprop", "[1,5,5,-2]", "negative"});
}

TEST_F(Validate, CountsThatInt64CannotHold) {
  example.input = tensor_of({int64_t{1} << 31, int64_t{1} << 31, 4, 2});
  expect_invalid({"in_backprop", "int64"});
  example.input = tensor_of({1, 1, 1, int64_t{1} << 62});  // the elements fit, their bytes do not
  expect_invalid({"in_backprop", "bytes", "int64"});
  example = Example();
  example.filter.byte_offset = huge - 3;
  expect_invalid({"filter", "byte_offset 9223372036854775804", "int64"});
  example.filter.byte_offset = -4;
  expect_invalid({"filter", "byte_offset -4"});
}

TEST_F(Validate, EmptyTensorsMayHaveAnyOtherSizes) {
  example.attrs.padding = CONVGRAD_VALID;
  example.input = tensor_of({0, huge, huge, 1});
  example.filter = tensor_of({1, 1, 1, 2});
  example.output = tensor_of({0, huge, huge, 2});
  expect_ok();
  EXPECT_EQ(problem.tensor[INPUT].span, 0);
}

TEST_F(Validate, Channels) {
  example.filter = tensor_of({3, 3, 0, 2});
  expect_invalid({"filter", "[3,3,0,2]", "at least 1 input channel"});
  example = Example();
  example.input = tensor_of({1, 5, 5, 0});
  expect_invalid({"in_backprop has shape [1,5,5,0] read as NHWC", "at least 1 channel"});
  example.input = tensor_of({1, 5, 5, 5});
  example.filter = tensor_of({3, 3, 2, 2});
  expect_invalid({"filter", "[3,3,2,2]", "divide the 5 channels", "in_backprop [1,5,5,5] read as NHWC"});
  example.filter = tensor_of({3, 3, 10, 2});  // more than the input has
  expect_invalid({"[3,3,10,2]", "divide the 5 channels"});
}

TEST_F(Validate, Groups) {
  example.input = tensor_of({1, 5, 5, 6});
  example.filter = tensor_of({3, 3, 2, 6});
  example.output = tensor_of({1, 5, 5, 6});
  expect_ok();
  EXPECT_EQ(problem.groups, 3);
  example.filter = tensor_of({3, 3, 2, 4});
  example.output = tensor_of({1, 5, 5, 4});
  expect_invalid({"filter", "[3,3,2,4]", "3 groups", "in_backprop [1,5,5,6] read as NHWC"});
}

// The commonest mistake: every message about channels, rows or images names the format that they were counted in, and
// says so where they would fit in the other one.
TEST_F(Validate, TensorsOfTheOtherFormat) {
  const char *const hint = "as NCHW the channels would fit";
  example.input = tensor_of({8, 64, 56, 56});
  example.filter = tensor_of({3, 3, 64, 128});
  example.output = tensor_of({8, 128, 56, 56});
  expect_invalid({"filter has shape [3,3,64,128]", "third size, 64",
                  "the 56 channels of in_backprop [8,64,56,56] read as NHWC", hint});
  example.input = tensor_of({8, 64, 56, 0});
  expect_invalid({"in_backprop has shape [8,64,56,0] read as NHWC, expected at least 1 channel", hint});
  // Groups by chance: 56 channels, filters of 28.
  example.input = tensor_of({8, 28, 56, 56});
  example.filter = tensor_of({3, 3, 28, 33});
  example.output = tensor_of({8, 33, 56, 56});
  expect_invalid({"2 groups", "the 56 channels of in_backprop [8,28,56,56] read as NHWC", hint});
  // Channels fit by chance, and the output tells.
  example.filter = tensor_of({3, 3, 28, 32});
  example.output = tensor_of({8, 32, 56, 56});
  expect_invalid(
      {"out_backprop has shape [8,32,56,56], expected [8,28,56,32]", "in_backprop [8,28,56,56] read as NHWC", hint});
  // And the other way round.
  example.attrs.data_format = CONVGRAD_NCHW;
  example.input = tensor_of({8, 56, 56, 64});
  example.filter = tensor_of({3, 3, 64, 128});
  example.output = tensor_of({8, 56, 56, 128});
  expect_invalid({"the 56 channels of in_backprop [8,56,56,64] read as NCHW", "as NHWC the channels would fit"});
}

TEST_F(Validate, NoHintWhereTheOtherFormatFitsNoBetter) {
  const auto no_hint = [&] {
    EXPECT_EQ(run(backprop_input_info), CONVGRAD_INVALID_ARGUMENT);
    EXPECT_THAT(convgrad_last_error(), ::testing::Not(HasSubstr("would fit")));
  };
  example.output = tensor_of({1, 3, 3, 2});
  no_hint();
  // In either format.
  example.input = tensor_of({2, 8, 8, 8});
  example.filter = tensor_of({3, 3, 8, 8});
  example.output = tensor_of({2, 6, 8, 8});
  no_hint();
  example.input = tensor_of({1, 5, 7, 5});
  example.filter = tensor_of({3, 3, 2, 2});
  no_hint();
  example.input = tensor_of({1, 0, 7, 0});
  no_hint();
  example.filter = tensor_of({3, 3, 0, 2});
  no_hint();
}

TEST_F(Validate, FilterTooBigForTheInput) {
  example.attrs.padding = CONVGRAD_VALID;
  example.filter = tensor_of({7, 3, 1, 2});
  expect_invalid({"filter", "[7,3,1,2]", "in_backprop [1,5,5,1] read as NHWC", "height would be -1"});
  example.filter = tensor_of({3, 8, 1, 2});
  expect_invalid({"width would be -2"});
  // TensorFlow's rule: one row too many still is an empty output.
  example.filter = tensor_of({6, 3, 1, 2});
  example.output = tensor_of({1, 0, 3, 2});
  expect_ok();
  // (1 - 4 + 2) / 2 is truncated to 0.
  example.input = tensor_of({1, 1, 5, 1});
  example.filter = tensor_of({4, 3, 1, 2});
  example.attrs.strides[0] = 2;
  expect_ok();
}

TEST_F(Validate, SizesThatOverflowAreSeen) {
  example.attrs.padding = CONVGRAD_VALID;
  example.attrs.dilations[0] = int64_t{1} << 62;
  expect_invalid({"filter", "height would be -"});
  example.attrs.dilations[0] = huge;
  expect_invalid({"filter", "below -2^63"});
  example = Example();
  example.attrs.padding = CONVGRAD_EXPLICIT;
  example.attrs.explicit_paddings[0] = example.attrs.explicit_paddings[1] = huge;
  expect_invalid({"filter", "height would be above 2^63"});
  example = Example();
  example.attrs.dilations[0] = example.attrs.dilations[1] = huge;  // SAME: the output is as large as the input
  expect_ok();
  EXPECT_TRUE(problem.axis[HEIGHT].before == Wide{huge});
}

TEST_F(Validate, FilterWithoutRows) {
  example.filter = tensor_of({0, 3, 1, 2});
  expect_ok();
  example.attrs.padding = CONVGRAD_VALID;  // extent (0 - 1) * 1 + 1 = 0
  example.output = tensor_of({1, 6, 3, 2});
  expect_ok();
}

TEST_F(Validate, Strides) {
  const int64_t good[4] = {100, 20, 3, 1};
  memcpy(example.input.strides, good, sizeof good);
  expect_ok();
  EXPECT_EQ(problem.tensor[INPUT].stride[1], 3);
  EXPECT_EQ(problem.tensor[INPUT].span, (4 * 20 + 4 * 3 + 1) * 4);
  for (int64_t bad : {int64_t{0}, int64_t{-3}, -huge - 1}) {
    example.input.strides[2] = bad;
    expect_invalid({"in_backprop has strides", std::to_string(bad), "[1,5,5,1]"});
  }
  example.input.strides[2] = 3;
  example.input.strides[0] = -1;  // of no account: the size is 1
  expect_ok();
  example.input.strides[1] = huge;
  expect_invalid({"in_backprop", "bytes"});
}

TEST_F(Validate, ElementsOfAResultMayNotOverlap) {
  const int64_t overlapping[4] = {100, 4, 1, 1};  // rows of 5, 4 apart
  memcpy(example.input.strides, overlapping, sizeof overlapping);
  expect_invalid({"in_backprop", "[100,4,1,1]", "do not overlap"});
  expect_ok(backprop_filter_info);  // there the same tensor is an operand
  example.input.strides[1] = 5;
  expect_ok();
  const int64_t columns_first[4] = {1, 1, 5, 1};
  memcpy(example.input.strides, columns_first, sizeof columns_first);
  expect_ok();
}

TEST_F(Validate, SuccessLeavesTheLastErrorAlone) {
  example.output = tensor_of({1, 3, 3, 2});
  ASSERT_EQ(run(backprop_input_info), CONVGRAD_INVALID_ARGUMENT);
  const std::string text = convgrad_last_error();
  example = Example();
  ASSERT_EQ(run(backprop_input_info), CONVGRAD_OK);
  EXPECT_EQ(text, convgrad_last_error());
}

}  // namespace
}  // namespace convgrad
