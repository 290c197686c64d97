// From arguments to a kernel that was asked for by name, for kernels that are not here.
#include "prepared_call.h"

#include <gtest/gtest.h>

#include "example_problem.h"

namespace convgrad {
namespace {

const Target anywhere = {"anywhere", 100, 0, DeviceKind::CPU, 0, 0};

Kernel kernel_of(const char *name, int filter) {
  Kernel kernel = {};
  kernel.name = name;
  kernel.algorithm = "direct";
  kernel.target = &anywhere;
  kernel.dtype = CONVGRAD_FLOAT32;
  kernel.filter[HEIGHT] = kernel.filter[WIDTH] = filter;
  kernel.stride[HEIGHT] = kernel.stride[WIDTH] = 1;
  return kernel;
}

class AskedForByName : public ::testing::Test {
 protected:
  // The kernel's name, or the error.
  std::string prepare(const Kernel &kernel) {
    const KernelTable table = {CONVGRAD_OP_CONV2D, &kernel, 1, nullptr, 0};
    const Op op = {conv2d_info, &table};
    Settings settings = {};
    settings.parallel.num_threads = 1;
    settings.choice.kernel = kernel.name;
    const convgrad_tensor *const tensors[3] = {&example.input, &example.filter, &example.output};
    const convgrad_status status = prepare_call(op, settings, &example.attrs, tensors, &call);
    EXPECT_TRUE(status == CONVGRAD_OK || status == CONVGRAD_UNSUPPORTED) << status;
    return status == CONVGRAD_OK ? call.kernel->name : convgrad_last_error();
  }

  Example example;
  PreparedCall call;
};

TEST_F(AskedForByName, OneReasonIsSaidOnce) {
  EXPECT_EQ(prepare(kernel_of("5x5", 5)), "conv2d: the kernel asked for, 5x5: takes filter 5x5, the problem has 3x3");
}

// An image of one row meets one row of the filter.
TEST_F(AskedForByName, TheWholeProblemWhereWhatMeetsInputIsRefused) {
  example.input = tensor_of({1, 1, 5, 8});
  example.filter = tensor_of({3, 3, 8, 2});
  example.output = tensor_of({1, 1, 5, 2});
  EXPECT_EQ(prepare(kernel_of("3x3", 3)), "3x3");
  EXPECT_EQ(call.normalized.axis[HEIGHT].taps, 3);
  // The filter that the caller sees is not what is wrong, though the kernel refuses what is left of it.
  Kernel few = kernel_of("few", 3);
  few.most_reduced_channels = 4;
  EXPECT_EQ(prepare(few),
            "conv2d: the kernel asked for, few: sums over at most 4 channels, the problem has 8; less what meets no "
            "input: takes filter 3x3, the problem has 1x3");
}

TEST_F(AskedForByName, WhatIsLeftMayComeNearer) {
  Kernel in_place = kernel_of("in_place", 1);
  in_place.reads_input_in_place = 1;
  in_place.fixed = 1;
  example.attrs.padding = CONVGRAD_EXPLICIT;
  for (int64_t &padding : example.attrs.explicit_paddings) padding = 1;
  example.input = tensor_of({1, 5, 5, 4});
  example.filter = tensor_of({1, 1, 4, 2});
  example.output = tensor_of({1, 7, 7, 2});
  EXPECT_EQ(prepare(in_place), "in_place");
  example.attrs.data_format = CONVGRAD_NCHW;
  example.input = tensor_of({1, 4, 5, 5});
  example.output = tensor_of({1, 2, 7, 7});
  EXPECT_EQ(prepare(in_place),
            "conv2d: the kernel asked for, in_place: reads the input in place, the problem has padding along its "
            "height; less what meets no input: takes channels next to each other, the input's are 25 elements apart");
}

TEST_F(AskedForByName, SizesThatAreTooLargeForAnyForm) {
  example.input = tensor_of({1, 1 << 15, 1 << 15, 1});
  example.output = tensor_of({1, 1 << 15, 1 << 15, 2});
  EXPECT_EQ(prepare(kernel_of("3x3", 3)),
            "conv2d: the kernel asked for, 3x3: input spans 4294967296 bytes, kernels address at most 2147483647");
}

}  // namespace
}  // namespace convgrad
