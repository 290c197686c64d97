// One test a rule: what is wrong, which argument, its value, what was expected. Every rule on every function.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <limits>

#include "errors/call.h"

namespace convgrad::test {
namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

class Arguments : public ::testing::TestWithParam<Function> {};

TEST_P(Arguments, TheUnspoiledCallWorks) {
  Call call(GetParam());
  EXPECT_EQ(call.run(), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_FALSE(call.nothing_written());
  EXPECT_EQ(call.plan(), CONVGRAD_OK) << convgrad_last_error();
}

TEST_P(Arguments, NullPointers) {
  for (int which = 0; which < 4; ++which) {
    Call call(GetParam());
    const convgrad_tensor *const tensors[] = {&call.first, &call.second, &call.result};
    const std::string name = which == 0 ? "attrs"
                                        : call.name_of(which == 1   ? call.first
                                                       : which == 2 ? call.second
                                                                    : call.result);
    EXPECT_EQ(call.run(nullptr, which == 0 ? nullptr : &call.attrs, which == 1 ? nullptr : tensors[0],
                       which == 2 ? nullptr : tensors[1], which == 3 ? nullptr : tensors[2]),
              CONVGRAD_INVALID_ARGUMENT);
    EXPECT_NE(std::string(convgrad_last_error()).find(name), std::string::npos)
        << name << ": " << convgrad_last_error();
    EXPECT_TRUE(call.nothing_written());
    ++tally().problems;
  }
}

TEST_P(Arguments, NullData) {
  for (convgrad_tensor Call::*tensor : {&Call::first, &Call::second, &Call::result}) {
    Call call(GetParam());
    (call.*tensor).data = nullptr;
    // A plan ignores data.
    expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.name_of(call.*tensor), "NULL"}, /*plan_too=*/false);
    EXPECT_EQ(call.plan(), CONVGRAD_OK) << convgrad_last_error();
  }
}

TEST_P(Arguments, NullDataOfNoElements) {
  Call call(GetParam(), CONVGRAD_FLOAT32, "n0 h5 w5 c4 r3x3 k6 pSAME");
  call.x().data = nullptr;
  call.y().data = nullptr;
  EXPECT_EQ(call.run(), CONVGRAD_OK) << convgrad_last_error();
}

TEST_P(Arguments, DataThatIsNotElementAligned) {
  for (const convgrad_dtype dtype : all_dtypes()) {
    for (convgrad_tensor Call::*tensor : {&Call::first, &Call::second, &Call::result}) {
      Call call(GetParam(), dtype);
      (call.*tensor).data = static_cast<char *>((call.*tensor).data) + call.element / 2;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.name_of(call.*tensor)}, /*plan_too=*/false);
      call = Call(GetParam(), dtype);
      (call.*tensor).byte_offset = static_cast<int64_t>(call.element / 2);
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.name_of(call.*tensor)}, /*plan_too=*/false);
    }
  }
}

TEST_P(Arguments, ByteOffsets) {
  for (const convgrad_dtype dtype : all_dtypes()) {
    Call expected(GetParam(), dtype);
    ASSERT_EQ(expected.run(), CONVGRAD_OK);
    Call call(GetParam(), dtype);
    const size_t before = call.element;
    call.result.byte_offset = static_cast<int64_t>(before);
    call.first.byte_offset = static_cast<int64_t>(2 * before);
    call.second.byte_offset = static_cast<int64_t>(3 * before);
    ASSERT_EQ(call.run(), CONVGRAD_OK) << convgrad_last_error();
    const char *const result = reinterpret_cast<const char *>(call.memory[2].data());
    EXPECT_TRUE(holds_pattern(result, before));
    const size_t bytes = (call.memory[2].size() - Call::kSlack) * sizeof(float);
    EXPECT_EQ(std::memcmp(expected.memory[2].data(), result + before, bytes), 0);
  }
}

TEST_P(Arguments, StructSize) {
  for (size_t size : {size_t{0}, size_t{7}, sizeof(convgrad_conv2d_attrs) + 8, std::numeric_limits<size_t>::max()}) {
    Call call(GetParam());
    call.attrs.struct_size = size;
    expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"struct_size", std::to_string(size)});
  }
}

TEST_P(Arguments, AShorterStructHasDefaults) {
  Call call(GetParam());
  call.attrs.struct_size = offsetof(convgrad_conv2d_attrs, accumulate);
  call.attrs.accumulate = 77;
  call.attrs.reserved = 77;
  EXPECT_EQ(call.run(), CONVGRAD_OK) << convgrad_last_error();
}

TEST_P(Arguments, UnknownEnumValues) {
  for (int32_t bad : {-1, 3, 1000}) {
    Call call(GetParam());
    call.attrs.padding = bad;
    expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"padding", std::to_string(bad)});
  }
  for (int32_t bad : {-1, 2, 1000}) {
    Call call(GetParam());
    call.attrs.data_format = bad;
    expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"data_format", std::to_string(bad)});
    call = Call(GetParam());
    call.attrs.accumulate = bad;
    expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"accumulate", std::to_string(bad)});
  }
  Call call(GetParam());
  call.attrs.reserved = 5;
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"reserved", "5"});
  for (convgrad_tensor Call::*tensor : {&Call::first, &Call::second, &Call::result}) {
    for (int32_t bad : {-1, 4, 1000}) {
      call = Call(GetParam());
      (call.*tensor).dtype = bad;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.name_of(call.*tensor), "dtype", std::to_string(bad)});
      call = Call(GetParam());
      (call.*tensor).memory = bad;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.name_of(call.*tensor), "memory", std::to_string(bad)});
    }
  }
}

TEST_P(Arguments, MismatchedDtypes) {
  for (convgrad_tensor Call::*tensor : {&Call::first, &Call::second, &Call::result}) {
    Call call(GetParam());
    (call.*tensor).dtype = CONVGRAD_FLOAT64;
    expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"dtype"});
  }
}

TEST_P(Arguments, StridesAndDilationsBelowOne) {
  for (int axis = 0; axis < 2; ++axis) {
    for (int64_t bad : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
      Call call(GetParam());
      call.attrs.strides[axis] = bad;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"strides", std::to_string(bad)});
      call = Call(GetParam());
      call.attrs.dilations[axis] = bad;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"dilations", std::to_string(bad)});
    }
  }
}

TEST_P(Arguments, NegativePadding) {
  for (int side = 0; side < 4; ++side) {
    Call call(GetParam());
    call.attrs.padding = CONVGRAD_EXPLICIT;
    std::fill_n(call.attrs.explicit_paddings, 4, 1);
    ASSERT_EQ(call.run(), CONVGRAD_OK) << convgrad_last_error();
    call = Call(GetParam());
    call.attrs.padding = CONVGRAD_EXPLICIT;
    std::fill_n(call.attrs.explicit_paddings, 4, 1);
    call.attrs.explicit_paddings[side] = -1;
    expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"explicit_paddings", "-1"});
  }
}

TEST_P(Arguments, PaddingGivenWithoutExplicit) {
  for (convgrad_padding padding : {CONVGRAD_SAME, CONVGRAD_VALID}) {
    for (int side = 0; side < 4; ++side) {
      Call call(GetParam());
      call.attrs.padding = padding;
      call.attrs.explicit_paddings[side] = 1;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"explicit_paddings"});
    }
  }
}

TEST_P(Arguments, NegativeSizes) {
  for (convgrad_tensor Call::*tensor : {&Call::first, &Call::second, &Call::result}) {
    for (int dimension = 0; dimension < 4; ++dimension) {
      Call call(GetParam());
      (call.*tensor).shape[dimension] = -1;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.name_of(call.*tensor), shape_text((call.*tensor).shape)});
    }
  }
}

// Sizes whose product is beyond int64 or memory: refused, never computed wrongly. VALID, since with SAME a filter of
// any height fits.
TEST_P(Arguments, OverflowingSizes) {
  for (convgrad_tensor Call::*tensor : {&Call::first, &Call::second, &Call::result}) {
    for (int dimension = 0; dimension < 4; ++dimension) {
      for (int64_t bad : {kHuge, kHuge / 2, int64_t{1} << 40}) {
        Call call(GetParam(), CONVGRAD_FLOAT32, "n1 h5 w5 c4 r3x3 k6 pVALID");
        (call.*tensor).shape[dimension] = bad;
        const convgrad_status status = call.run();
        EXPECT_TRUE(status == CONVGRAD_INVALID_ARGUMENT || status == CONVGRAD_UNSUPPORTED)
            << convgrad_status_string(status);
        EXPECT_STRNE(convgrad_last_error(), "");
        EXPECT_TRUE(call.nothing_written());
        ++tally().problems;
      }
    }
  }
}

// Consistent sizes that are too large for a kernel.
TEST_P(Arguments, SizesBeyondTheKernels) {
  for (const char *line : {"n1 h1 w3000000000 c1 r1x1 k1", "n1 h70000 w70000 c1 r3x3 k1 pSAME",
                           "n1 h4 w4 c100000 r3x3 k100000 pSAME", "n1 h5 w5 c1 r3x3 k3000000000 pSAME"}) {
    // Shapes without memory behind them.
    Call call(GetParam());
    const Problem problem = problem_of(GetParam(), line);
    const Layouts layouts = layouts_of(problem);
    call.attrs = problem.attrs();
    call.first = layouts.first.tensor(nullptr);
    call.second = layouts.second.tensor(nullptr);
    call.result = layouts.result.tensor(nullptr);
    if (GetParam() == Function::kTranspose) std::swap(call.first, call.second);
    EXPECT_EQ(call.plan(), CONVGRAD_UNSUPPORTED) << line << ": " << convgrad_last_error();
    EXPECT_STRNE(convgrad_last_error(), "");
    ++tally().problems;
  }
}

TEST_P(Arguments, HugeStridesDilationsAndPadding) {
  for (int64_t huge : {kHuge, kHuge / 2, int64_t{1} << 40}) {
    for (int axis = 0; axis < 2; ++axis) {
      Call call(GetParam());
      call.attrs.dilations[axis] = huge;  // the padding would be beyond int64, or taps reach nothing
      convgrad_status status = call.run();
      EXPECT_TRUE(status == CONVGRAD_OK || status == CONVGRAD_INVALID_ARGUMENT || status == CONVGRAD_UNSUPPORTED);
      EXPECT_EQ(status == CONVGRAD_OK, !call.nothing_written()) << huge;
      call = Call(GetParam());
      call.attrs.strides[axis] = huge;  // one output, but out_backprop has five
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.y_name()});
      call = Call(GetParam());
      call.attrs.padding = CONVGRAD_EXPLICIT;
      call.attrs.explicit_paddings[2 * axis] = call.attrs.explicit_paddings[2 * axis + 1] = huge;
      status = call.run();
      EXPECT_TRUE(status == CONVGRAD_INVALID_ARGUMENT || status == CONVGRAD_UNSUPPORTED);
      EXPECT_TRUE(call.nothing_written());
      tally().problems += 3;
    }
  }
}

// The example that every implementation should get right: the text says what the shape should have been.
TEST_P(Arguments, OutBackpropThatDoesNotFollowFromTheInput) {
  Call call(GetParam(), CONVGRAD_FLOAT32, "n1 h5 w5 c1 r3x3 k2 pSAME");
  call.y().shape[1] = call.y().shape[2] = 3;
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.y_name(), "[1,3,3,2]", "[1,5,5,2]"});
  for (int dimension = 0; dimension < 4; ++dimension) {
    for (int64_t off : {-1, 1}) {
      call = Call(GetParam());
      call.y().shape[dimension] += off;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.y_name(), shape_text(call.y().shape), "[1,5,5,6]"});
    }
  }
}

TEST_P(Arguments, OutBackpropInNchw) {
  Call call(GetParam(), CONVGRAD_FLOAT32, "n1 h5 w6 c4 r3x3 k2 pSAME NCHW");
  call.y().shape[2] = 3;
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.y_name(), "[1,2,3,6]", "[1,2,5,6]"});
}

TEST_P(Arguments, InputChannelsThatNoGroupCountExplains) {
  Call call(GetParam());
  call.filter().shape[2] = 3;  // of 4
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.filter_name(), "3", "4"});
  call = Call(GetParam());
  call.filter().shape[2] = 8;
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.filter_name(), "8", "4"});
}

TEST_P(Arguments, OutputChannelsThatGroupsDoNotDivide) {
  Call call(GetParam());
  call.filter().shape[2] = 1;  // 4 groups for 6 channels out
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"4", "6"});
}

TEST_P(Arguments, NoChannels) {
  Call call(GetParam());
  call.filter().shape[2] = 0;
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.filter_name(), shape_text(call.filter().shape)});
  call = Call(GetParam());
  call.x().shape[3] = 0;
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.x_name(), shape_text(call.x().shape)});
}

TEST_P(Arguments, AFilterTooBigForAnyOutput) {
  Call call(GetParam());
  call.attrs.padding = CONVGRAD_VALID;
  call.filter().shape[0] = 9;  // (5 - 9 + 1) / 1 = -3
  expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {call.filter_name(), "9", "5"});
}

TEST_P(Arguments, AResultThatOverlapsAnOperand) {
  for (const convgrad_dtype dtype : all_dtypes()) {
    for (convgrad_tensor Call::*operand : {&Call::first, &Call::second}) {
      Call call(GetParam(), dtype);
      // The last element of the operand and the first of the result are the same.
      const convgrad_tensor &tensor = call.*operand;
      const auto size = static_cast<size_t>(tensor.shape[0] * tensor.shape[1] * tensor.shape[2] * tensor.shape[3]);
      std::vector<double> shared(2000);
      char *const begin = reinterpret_cast<char *>(shared.data());
      fill_pattern(begin, shared.size() * sizeof(double));
      (call.*operand).data = begin;
      call.result.data = begin + (size - 1) * call.element;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT,
                     {call.name_of(call.*operand), call.name_of(call.result), "overlap"},
                     /*plan_too=*/false);
      EXPECT_TRUE(holds_pattern(begin, shared.size() * sizeof(double)));
      call.result.data = (call.*operand).data;
      expect_refused(&call, CONVGRAD_INVALID_ARGUMENT, {"overlap"}, /*plan_too=*/false);
      // Side by side is no overlap.
      call.result.data = begin + size * call.element;
      EXPECT_EQ(call.run(), CONVGRAD_OK) << convgrad_last_error();
    }
  }
}

TEST_P(Arguments, WhatMayBeUnsupportedWritesNothing) {
  const auto unsupported_or_ok = [](Call *call, const char *what) {
    const convgrad_status status = call->run();
    EXPECT_TRUE(status == CONVGRAD_OK || status == CONVGRAD_UNSUPPORTED) << what << ": " << convgrad_last_error();
    EXPECT_EQ(status == CONVGRAD_OK, !call->nothing_written()) << what;
    ++tally().problems;
  };
  Call call(GetParam());
  call.attrs.accumulate = 1;
  unsupported_or_ok(&call, "accumulate");
  call = Call(GetParam());
  for (convgrad_tensor *tensor : {&call.first, &call.second, &call.result}) tensor->memory = CONVGRAD_OPENCL;
  EXPECT_EQ(call.run(), CONVGRAD_UNSUPPORTED) << convgrad_last_error();
  EXPECT_TRUE(call.nothing_written());
}

TEST_P(Arguments, ADtypeWithoutKernels) {
  const std::vector<convgrad_dtype> built = all_dtypes();
  for (convgrad_dtype dtype = 0; dtype < problems::kDtypes; ++dtype) {
    Call call(GetParam(), dtype);
    if (std::find(built.begin(), built.end(), dtype) != built.end()) {
      EXPECT_EQ(call.run(), CONVGRAD_OK) << convgrad_last_error();
    } else {
      expect_refused(&call, CONVGRAD_UNSUPPORTED, {problems::dtype_info(dtype).api_name});
    }
  }
}

TEST_P(Arguments, BadTensorStrides) {
  // Some strides 0 and others not: neither dense nor a layout in which elements are apart.
  Call call(GetParam());
  call.result.strides[3] = 1;
  const convgrad_status status = call.run();
  EXPECT_TRUE(status == CONVGRAD_INVALID_ARGUMENT || status == CONVGRAD_UNSUPPORTED) << convgrad_last_error();
  EXPECT_TRUE(call.nothing_written());
}

INSTANTIATE_TEST_SUITE_P(Functions, Arguments, ::testing::ValuesIn(kFunctions),
                         [](const ::testing::TestParamInfo<Function> &info) { return Call(info.param).op(); });

}  // namespace
}  // namespace convgrad::test
