#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "example_problem.h"
#include "validate.h"

namespace convgrad {
namespace {

using ::testing::HasSubstr;

class ValidatePointers : public ::testing::Test {
 protected:
  void SetUp() override { prepare(); }

  void prepare() {
    const convgrad_tensor *const tensors[3] = {&example.filter, &example.output, &example.input};
    ASSERT_EQ(validate_problem(backprop_input_info, CONVGRAD_HOST, &example.attrs, tensors, &problem), CONVGRAD_OK)
        << convgrad_last_error();
  }

  convgrad_status run(const void *filter, const void *output, const void *input) {
    const void *const data[3] = {filter, output, input};
    return validate_pointers(backprop_input_info, problem, data);
  }

  Example example;  // filter of 18 elements, output of 50, input (the result) of 25
  Problem problem;
  alignas(64) float memory[256];
};

TEST_F(ValidatePointers, Apart) {
  EXPECT_EQ(run(memory, memory + 18, memory + 68), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_EQ(run(memory + 25, memory + 43, memory), CONVGRAD_OK) << convgrad_last_error();
  // Operands may share memory: they are only read.
  EXPECT_EQ(run(memory, memory, memory + 50), CONVGRAD_OK) << convgrad_last_error();
}

TEST_F(ValidatePointers, NullWithElements) {
  EXPECT_EQ(run(nullptr, memory + 18, memory + 68), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("filter has NULL data"));
  EXPECT_EQ(run(memory, nullptr, memory + 68), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("out_backprop has NULL data"));
  EXPECT_EQ(run(memory, memory + 18, nullptr), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("in_backprop has NULL data"));
}

TEST_F(ValidatePointers, NullWithoutElements) {
  example.input.shape[0] = example.output.shape[0] = 0;
  prepare();
  EXPECT_EQ(run(memory, nullptr, nullptr), CONVGRAD_OK) << convgrad_last_error();
}

TEST_F(ValidatePointers, Misaligned) {
  const char *bytes = reinterpret_cast<const char *>(memory);
  for (int shift = 1; shift < 4; ++shift) {
    EXPECT_EQ(run(memory, bytes + 4 * 18 + shift, memory + 128), CONVGRAD_INVALID_ARGUMENT);
    EXPECT_THAT(convgrad_last_error(), HasSubstr("out_backprop"));
    EXPECT_THAT(convgrad_last_error(), HasSubstr("multiple of 4"));
  }
  // The offset counts: together they are aligned.
  example.output.byte_offset = 2;
  prepare();
  EXPECT_EQ(run(memory, bytes + 4 * 18 + 2, memory + 128), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_EQ(run(memory, memory + 18, memory + 128), CONVGRAD_INVALID_ARGUMENT);
}

TEST_F(ValidatePointers, Overlap) {
  EXPECT_EQ(run(memory, memory + 128, memory + 17), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("in_backprop"));
  EXPECT_THAT(convgrad_last_error(), HasSubstr("overlaps filter"));
  EXPECT_EQ(run(memory + 128, memory + 24, memory), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("overlaps out_backprop"));
  EXPECT_EQ(run(memory + 128, memory + 25, memory), CONVGRAD_OK) << convgrad_last_error();
}

TEST_F(ValidatePointers, OffsetsCountForOverlap) {
  example.input.byte_offset = 4 * 18;
  prepare();
  EXPECT_EQ(run(memory, memory + 128, memory), CONVGRAD_OK) << convgrad_last_error();
  example.input.byte_offset = 4 * 17;
  prepare();
  EXPECT_EQ(run(memory, memory + 128, memory), CONVGRAD_INVALID_ARGUMENT);
}

TEST_F(ValidatePointers, StridesCountForOverlap) {
  const int64_t strides[4] = {100, 20, 2, 1};  // spans 4 * 20 + 4 * 2 + 1 = 89 elements
  memcpy(example.input.strides, strides, sizeof strides);
  prepare();
  EXPECT_EQ(run(memory + 88, memory + 150, memory), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_EQ(run(memory + 89, memory + 150, memory), CONVGRAD_OK) << convgrad_last_error();
}

TEST_F(ValidatePointers, EmptyTensorsOverlapNothing) {
  example.input.shape[0] = example.output.shape[0] = 0;
  prepare();
  EXPECT_EQ(run(memory, memory, memory), CONVGRAD_OK) << convgrad_last_error();
}

TEST_F(ValidatePointers, AddressSpace) {
  const void *last = reinterpret_cast<const void *>(UINTPTR_MAX - 7);
  EXPECT_EQ(run(last, memory + 18, memory + 68), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("filter"));
  EXPECT_THAT(convgrad_last_error(), HasSubstr("address space"));
}

}  // namespace
}  // namespace convgrad
