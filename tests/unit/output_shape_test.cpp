#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "convgrad/convgrad.h"

namespace {

using ::testing::HasSubstr;
using Shape = std::array<int64_t, 4>;

// The shape, or {-1, -1, -1, -1} with the status in `status`.
Shape output_shape(const convgrad_conv2d_attrs &attrs, const Shape &input, const Shape &filter,
                   convgrad_status *status = nullptr) {
  Shape output = {-1, -1, -1, -1};
  const convgrad_status result = convgrad_conv2d_output_shape(&attrs, input.data(), filter.data(), output.data());
  if (status != nullptr) *status = result;
  return output;
}

convgrad_conv2d_attrs attrs_of(convgrad_padding padding, int64_t stride = 1, int64_t dilation = 1) {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = padding;
  attrs.strides[0] = attrs.strides[1] = stride;
  attrs.dilations[0] = attrs.dilations[1] = dilation;
  return attrs;
}

TEST(OutputShape, Valid) {
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID), {2, 7, 9, 3}, {3, 5, 3, 4}), (Shape{2, 5, 5, 4}));
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID, 2), {2, 7, 9, 3}, {3, 5, 3, 4}), (Shape{2, 3, 3, 4}));
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID, 1, 3), {2, 7, 9, 3}, {3, 3, 3, 4}), (Shape{2, 1, 3, 4}));
}

TEST(OutputShape, Same) {
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_SAME), {2, 7, 9, 3}, {3, 5, 3, 4}), (Shape{2, 7, 9, 4}));
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_SAME, 2), {2, 7, 9, 3}, {3, 5, 3, 4}), (Shape{2, 4, 5, 4}));
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_SAME, 4, 100), {2, 7, 9, 3}, {3, 5, 3, 4}), (Shape{2, 2, 3, 4}));
}

TEST(OutputShape, Explicit) {
  convgrad_conv2d_attrs attrs = attrs_of(CONVGRAD_EXPLICIT, 2);
  const int64_t paddings[4] = {1, 2, 3, 4};
  for (int i = 0; i < 4; ++i) attrs.explicit_paddings[i] = paddings[i];
  EXPECT_EQ(output_shape(attrs, {1, 7, 9, 3}, {3, 3, 3, 4}), (Shape{1, 4, 7, 4}));
}

TEST(OutputShape, ChannelsFirst) {
  convgrad_conv2d_attrs attrs = attrs_of(CONVGRAD_VALID);
  attrs.data_format = CONVGRAD_NCHW;
  EXPECT_EQ(output_shape(attrs, {2, 3, 7, 9}, {3, 5, 3, 4}), (Shape{2, 4, 5, 5}));
}

TEST(OutputShape, ZeroSizes) {
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID), {1, 2, 2, 1}, {3, 3, 1, 4}), (Shape{1, 0, 0, 4}));
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID, 2), {1, 1, 1, 1}, {4, 4, 1, 4}), (Shape{1, 0, 0, 4}));
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_SAME), {0, 0, 4, 1}, {3, 3, 1, 0}), (Shape{0, 0, 4, 0}));
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID), {1, 4, 4, 1}, {0, 1, 1, 2}), (Shape{1, 5, 4, 2}));
}

TEST(OutputShape, FailureWritesNothing) {
  convgrad_status status;
  const Shape untouched = {-1, -1, -1, -1};
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID), {1, 2, 2, 1}, {5, 5, 1, 4}, &status), untouched);
  EXPECT_EQ(status, CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("conv2d_output_shape: filter_shape has shape [5,5,1,4]"));
  EXPECT_THAT(convgrad_last_error(), HasSubstr("input_shape [1,2,2,1] read as NHWC"));
  EXPECT_THAT(convgrad_last_error(), HasSubstr("height would be -2"));

  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID, 0), {1, 2, 2, 1}, {1, 1, 1, 4}, &status), untouched);
  EXPECT_EQ(status, CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID), {1, 2, 2, 3}, {1, 1, 2, 4}, &status), untouched);
  EXPECT_EQ(status, CONVGRAD_INVALID_ARGUMENT);

  EXPECT_EQ(output_shape(attrs_of(CONVGRAD_VALID), {8, 64, 56, 56}, {3, 3, 64, 128}, &status), untouched);
  EXPECT_THAT(convgrad_last_error(),
              HasSubstr("input_shape [8,64,56,56] read as NHWC; as NCHW the channels would fit"));

  // 2^31 x 2^31 x 4 output elements from two small operands.
  convgrad_conv2d_attrs attrs = attrs_of(CONVGRAD_EXPLICIT);
  for (int64_t &padding : attrs.explicit_paddings) padding = int64_t{1} << 30;
  EXPECT_EQ(output_shape(attrs, {1, 1, 1, 1}, {1, 1, 1, 4}, &status), untouched);
  EXPECT_EQ(status, CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("output_shape has shape [1,2147483649,2147483649,4]"));
}

TEST(OutputShape, NullArguments) {
  const convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  const int64_t shape[4] = {1, 1, 1, 1};
  int64_t output[4];
  EXPECT_EQ(convgrad_conv2d_output_shape(nullptr, shape, shape, output), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_STREQ(convgrad_last_error(), "conv2d_output_shape: attrs is NULL");
  EXPECT_EQ(convgrad_conv2d_output_shape(&attrs, nullptr, shape, output), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_STREQ(convgrad_last_error(), "conv2d_output_shape: input_shape is NULL");
  EXPECT_EQ(convgrad_conv2d_output_shape(&attrs, shape, nullptr, output), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_STREQ(convgrad_last_error(), "conv2d_output_shape: filter_shape is NULL");
  EXPECT_EQ(convgrad_conv2d_output_shape(&attrs, shape, shape, nullptr), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_STREQ(convgrad_last_error(), "conv2d_output_shape: output_shape is NULL");
}

TEST(Status, Strings) {
  EXPECT_STREQ(convgrad_status_string(CONVGRAD_OK), "OK");
  EXPECT_STREQ(convgrad_status_string(CONVGRAD_INVALID_ARGUMENT), "INVALID_ARGUMENT");
  EXPECT_STREQ(convgrad_status_string(CONVGRAD_UNSUPPORTED), "UNSUPPORTED");
  EXPECT_STREQ(convgrad_status_string(CONVGRAD_OUT_OF_MEMORY), "OUT_OF_MEMORY");
  EXPECT_STREQ(convgrad_status_string(CONVGRAD_DEVICE_ERROR), "DEVICE_ERROR");
  EXPECT_STREQ(convgrad_status_string(CONVGRAD_INTERNAL), "INTERNAL");
  EXPECT_STREQ(convgrad_status_string(-1), "unknown status");
  EXPECT_STREQ(convgrad_version(), "0.1.0");
}

}  // namespace
