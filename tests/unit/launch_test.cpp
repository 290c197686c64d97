// What kernels are called with: a kernel of the tests' own writes it down.
#include "launch.h"

#include <HalideRuntime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "example_problem.h"

namespace convgrad {
namespace {

using Four = std::array<int64_t, 4>;

// A halide_buffer_t as a kernel gets it.
struct Seen {
  int64_t first;  // in elements, from the tensor's first
  Four min, size, stride;
};

bool operator==(const Seen &a, const Seen &b) {
  return a.first == b.first && a.min == b.min && a.size == b.size && a.stride == b.stride;
}

void PrintTo(const Seen &seen, std::ostream *out) {
  *out << "first " << seen.first;
  for (const auto &[name, values] : {std::pair{"min", seen.min}, {"size", seen.size}, {"stride", seen.stride}}) {
    *out << ", " << name;
    for (const int64_t value : values) *out << " " << value;
  }
}

struct Call {
  std::vector<Seen> buffers;  // operands, results
  std::vector<int32_t> numbers;
  std::vector<uint64_t> devices;  // the buffers' device handles
};

// What the kernel below knows of its arguments, and what it saw. It has no other state: a kernel is a function.
struct Recorder {
  int numbers = 0, results = 1;
  const float *tensor[3] = {};  // of operands and result
  int fails_at = -1;
  std::vector<Call> calls;
} * recorder;

Seen seen_of(const halide_buffer_t &buffer, const float *tensor) {
  EXPECT_EQ(buffer.type, halide_type_t(halide_type_float, 32));
  EXPECT_EQ(buffer.dimensions, 4);
  EXPECT_EQ(buffer.flags, 0u);
  Seen seen = {};
  if (buffer.host != nullptr) seen.first = reinterpret_cast<const float *>(buffer.host) - tensor;
  for (size_t i = 0; i < 4; ++i) {
    seen.min[i] = buffer.dim[i].min;
    seen.size[i] = buffer.dim[i].extent;
    seen.stride[i] = buffer.dim[i].stride;
  }
  return seen;
}

int record(void **arguments) {
  Call call;
  void **next = arguments + 1;  // after the call's context
  const auto take_buffer = [&](const float *tensor) {
    const auto *buffer = static_cast<const halide_buffer_t *>(*next++);
    call.buffers.push_back(seen_of(*buffer, tensor));
    call.devices.push_back(buffer->device);
  };
  for (int i = 0; i < 2; ++i) take_buffer(recorder->tensor[i]);
  for (int i = 0; i < recorder->numbers; ++i) call.numbers.push_back(*static_cast<const int32_t *>(*next++));
  for (int i = 0; i < recorder->results; ++i) take_buffer(recorder->tensor[2]);
  recorder->calls.push_back(call);
  const int index = static_cast<int>(recorder->calls.size()) - 1;
  return index == recorder->fails_at ? -77 : 0;
}

const Target cpu = {"cpu", 0, 0, DeviceKind::CPU, 0, 0};
const Target cuda = {"cuda", 0, 0, DeviceKind::CUDA, 0, 0};
const Target opencl = {"opencl", 0, 0, DeviceKind::OPENCL, 0, 0};

class Launch : public ::testing::Test {
 protected:
  void SetUp() override {
    recorder = &seen;
    kernel.name = "recorder";
    kernel.target = &cpu;
    kernel.dtype = CONVGRAD_FLOAT32;
    kernel.run = record;
  }

  // The tensors' first elements are some way into `memory`, each at another place.
  int launch_on_cpu(const Problem &problem, bool trim = true) {
    const Normalized normalized = normalize(problem, trim);
    const bool forward = problem.op == CONVGRAD_OP_CONV2D, to_filter = problem.op == CONVGRAD_OP_CONV2D_BACKPROP_FILTER;
    const Role roles[3] = {forward || to_filter ? INPUT : FILTER, forward ? FILTER : OUTPUT,
                           forward     ? OUTPUT
                           : to_filter ? FILTER
                                       : INPUT};
    Place first[3];
    for (int i = 0; i < 3; ++i) {
      seen.tensor[i] = memory + 100 * (i + 1);
      first[roles[i]] = host_place(seen.tensor[i]);
    }
    seen.numbers = problem.op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT ? 2 : 4;
    return launch(kernel, normalized, first, nullptr);
  }

  Recorder seen;
  Kernel kernel = {};
  float memory[1000];  // for addresses: nobody reads or writes it
};

// Padding is the input's smallest coordinate: a kernel reads a pixel's window from stride times its place on.
TEST_F(Launch, Conv2d) {
  const Axis height = axis_of(6, 3, 3, 2, 1, 1), width = axis_of(9, 3, 7, 1, 2, 1);
  EXPECT_EQ(launch_on_cpu(problem_of(CONVGRAD_OP_CONV2D, 2, height, width, 5, 8)), 0);
  ASSERT_EQ(seen.calls.size(), 1u);
  const Call &call = seen.calls[0];
  EXPECT_EQ(call.buffers[0], (Seen{0, {0, 1, 1, 0}, {5, 9, 6, 2}, {1, 5, 45, 270}}));
  EXPECT_EQ(call.buffers[1], (Seen{0, {0, 0, 0, 0}, {8, 5, 3, 3}, {1, 8, 40, 120}}));
  EXPECT_EQ(call.buffers[2], (Seen{0, {0, 0, 0, 0}, {8, 7, 3, 2}, {1, 8, 56, 168}}));
  EXPECT_EQ(call.numbers, (std::vector<int32_t>{1, 2, 2, 1})) << "strides, then dilations, of width and height";
}

TEST_F(Launch, BackpropFilter) {
  const Axis height = axis_of(6, 3, 3, 2, 1, 1), width = axis_of(9, 3, 7, 1, 2, 1);
  EXPECT_EQ(launch_on_cpu(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, 2, height, width, 5, 8)), 0);
  ASSERT_EQ(seen.calls.size(), 1u);
  const Call &call = seen.calls[0];
  EXPECT_EQ(call.buffers[0], (Seen{0, {0, 1, 1, 0}, {5, 9, 6, 2}, {1, 5, 45, 270}}));
  EXPECT_EQ(call.buffers[1], (Seen{0, {0, 0, 0, 0}, {8, 7, 3, 2}, {1, 8, 56, 168}}));
  EXPECT_EQ(call.buffers[2], (Seen{0, {0, 0, 0, 0}, {8, 5, 3, 3}, {1, 8, 40, 120}}));
  EXPECT_EQ(call.numbers, (std::vector<int32_t>{1, 2, 2, 1}));
}

// A call each, from the group's first channel on.
TEST_F(Launch, Groups) {
  const Axis axis = axis_of(4, 3, 4, 1, 1, 1);
  EXPECT_EQ(launch_on_cpu(problem_of(CONVGRAD_OP_CONV2D, 1, axis, axis, 6, 9, 3)), 0);
  ASSERT_EQ(seen.calls.size(), 3u);
  for (int64_t group = 0; group < 3; ++group) {
    const Call &call = seen.calls[static_cast<size_t>(group)];
    EXPECT_EQ(call.buffers[0], (Seen{2 * group, {0, 1, 1, 0}, {2, 4, 4, 1}, {1, 6, 24, 0}}));
    EXPECT_EQ(call.buffers[1], (Seen{3 * group, {0, 0, 0, 0}, {3, 2, 3, 3}, {1, 9, 18, 54}}));
    EXPECT_EQ(call.buffers[2], (Seen{3 * group, {0, 0, 0, 0}, {3, 4, 4, 1}, {1, 9, 36, 0}}));
  }
}

TEST_F(Launch, StridesAreTheTensors) {
  const Axis axis = axis_of(4, 3, 4, 1, 1, 1);
  Problem problem = problem_of(CONVGRAD_OP_CONV2D, 2, axis, axis, 5, 8);
  const Four channels_first = {16, 1, 4, 80};
  std::copy(channels_first.begin(), channels_first.end(), problem.tensor[INPUT].stride);
  EXPECT_EQ(launch_on_cpu(problem), 0);
  ASSERT_EQ(seen.calls.size(), 1u);
  EXPECT_EQ(seen.calls[0].buffers[0].stride, channels_first);
}

// Halide's strides are int32, and a caller's may be anything where there is one element.
TEST_F(Launch, OneElementNeedsNoStride) {
  const Axis axis = axis_of(3, 3, 1, 1, 1, 0);
  Problem problem = problem_of(CONVGRAD_OP_CONV2D, 1, axis, axis, 5, 1);
  for (int64_t &stride : problem.tensor[OUTPUT].stride) stride = int64_t{1} << 40;
  EXPECT_EQ(launch_on_cpu(problem), 0);
  ASSERT_EQ(seen.calls.size(), 1u);
  EXPECT_EQ(seen.calls[0].buffers[2].stride, (Four{1, 0, 0, 0}));
}

// What stride a problem of one position has is of no consequence, and its kernel has one.
TEST_F(Launch, AKernelsOwnStride) {
  kernel.stride[HEIGHT] = 2;
  kernel.stride[WIDTH] = 1;
  const Axis axis = axis_of(3, 3, 1, 7, 1, 0);
  EXPECT_EQ(launch_on_cpu(problem_of(CONVGRAD_OP_CONV2D, 2, axis, axis, 5, 8)), 0);
  ASSERT_EQ(seen.calls.size(), 1u);
  EXPECT_EQ(seen.calls[0].numbers, (std::vector<int32_t>{1, 2, 1, 1}));
}

// Rows 0, 2 and 4 of five meet the middle one of three taps alone, rows 1 and 3 the others.
const Axis kFive = axis_of(5, 3, 3, 2, 1, 1);

TEST_F(Launch, APhaseACall) {
  const Axis other = axis_of(4, 1, 4, 1, 1, 0);
  EXPECT_EQ(launch_on_cpu(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 2, kFive, other, 6, 8)), 0);
  ASSERT_EQ(seen.calls.size(), 2u);
  std::sort(seen.calls.begin(), seen.calls.end(),
            [](const Call &a, const Call &b) { return a.buffers[2].first < b.buffers[2].first; });
  const Call &even = seen.calls[0], &odd = seen.calls[1];
  const Seen out_backprop = {0, {0, 0, 0, 0}, {8, 4, 3, 2}, {1, 8, 32, 96}};
  EXPECT_EQ(even.buffers[1], out_backprop);
  EXPECT_EQ(odd.buffers[1], out_backprop);
  EXPECT_EQ(even.buffers[0], (Seen{48, {0, 0, 0, 0}, {8, 6, 1, 1}, {1, 8, 0, 0}}));
  EXPECT_EQ(odd.buffers[0], (Seen{0, {0, 0, 0, 0}, {8, 6, 1, 2}, {1, 8, 0, 96}}));
  // The next row of a phase is two of the image on.
  EXPECT_EQ(even.buffers[2], (Seen{0, {0, 0, 0, 0}, {6, 4, 3, 2}, {1, 6, 48, 120}}));
  EXPECT_EQ(odd.buffers[2], (Seen{24, {0, 0, 1, 0}, {6, 4, 2, 2}, {1, 6, 48, 120}}));
  EXPECT_EQ(even.numbers, (std::vector<int32_t>{1, 1})) << "dilations of width and height";
  EXPECT_EQ(odd.numbers, (std::vector<int32_t>{1, 1}));
}

// How often each element of a gradient of [1,h,w,1] is some call's result.
std::vector<int> times_written(const std::vector<Call> &calls, int64_t height, int64_t width) {
  std::vector<int> times(static_cast<size_t>(height * width));
  for (const Call &call : calls) {
    for (size_t i = 2; i < call.buffers.size(); ++i) {
      const Seen &result = call.buffers[i];
      for (int64_t h = 0; h < result.size[2]; ++h) {
        for (int64_t w = 0; w < result.size[1]; ++w) {
          ++times.at(static_cast<size_t>(result.first + h * result.stride[2] + w * result.stride[1]));
        }
      }
    }
  }
  return times;
}

TEST_F(Launch, EveryPixelIsOfOnePhase) {
  for (int64_t stride_height : {1, 2, 3, 5}) {
    for (int64_t stride_width : {1, 2, 4}) {
      for (int64_t dilation : {1, 2}) {
        seen.calls.clear();
        const int64_t extent = 2 * dilation + 1;
        const Axis height = axis_of(11, 3, (13 - extent) / stride_height + 1, stride_height, dilation, 1);
        const Axis width = axis_of(8, 3, (10 - extent) / stride_width + 1, stride_width, dilation, 1);
        const Problem problem = problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 1, height, width, 1, 2);
        EXPECT_EQ(launch_on_cpu(problem), 0);
        const std::vector<int> times = times_written(seen.calls, 11, 8);
        // Those that no tap meets are in none, and filled with zeros before.
        const bool gaps = leaves_gaps(kernel, normalize(problem));
        EXPECT_EQ(*std::max_element(times.begin(), times.end()), 1) << stride_height << " " << stride_width;
        EXPECT_EQ(*std::min_element(times.begin(), times.end()), gaps ? 0 : 1) << stride_height << " " << stride_width;
        EXPECT_EQ(gaps, stride_height > 3 || stride_width > 3 || (dilation == 2 && stride_height == 2) ||
                            (dilation == 2 && stride_width == 2));
      }
    }
  }
}

TEST_F(Launch, NoCallForAPhaseWithoutRows) {
  // One pixel, which three phases of four have no part of, though they have taps.
  const Axis one = axis_of(1, 3, 1, 2, 1, 1);
  const Problem problem = problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 1, one, one, 4, 8);
  EXPECT_EQ(launch_on_cpu(problem, false), 0);
  EXPECT_EQ(seen.calls.size(), 1u);
}

TEST_F(Launch, APhaseThatFailsIsTheLast) {
  seen.fails_at = 1;
  EXPECT_EQ(launch_on_cpu(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 2, kFive, kFive, 6, 8)), -77);
  EXPECT_EQ(seen.calls.size(), 2u);
}

// A kernel for one stride gets all phases at once, in the order of what is left when its stride divides a row's place
// in the padded image.
TEST_F(Launch, FixedStride) {
  kernel.stride[HEIGHT] = 2;
  kernel.stride[WIDTH] = 1;
  seen.results = 2;
  const Axis other = axis_of(4, 3, 4, 1, 1, 1);
  const Problem problem = problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 2, kFive, other, 6, 8);
  EXPECT_EQ(launch_on_cpu(problem), 0);
  ASSERT_EQ(seen.calls.size(), 1u);
  const Call &call = seen.calls[0];
  EXPECT_EQ(call.buffers[0], (Seen{0, {0, 0, 0, 0}, {8, 6, 3, 3}, {1, 8, 48, 144}}));
  EXPECT_EQ(call.buffers[1], (Seen{0, {0, 0, 0, 0}, {8, 4, 3, 2}, {1, 8, 32, 96}}));
  EXPECT_EQ(call.buffers[2], (Seen{24, {0, 1, 1, 0}, {6, 4, 2, 2}, {1, 6, 48, 120}}));
  EXPECT_EQ(call.buffers[3], (Seen{0, {0, 1, 0, 0}, {6, 4, 3, 2}, {1, 6, 48, 120}}));
  EXPECT_EQ(call.numbers, (std::vector<int32_t>{1, 1}));
  EXPECT_FALSE(leaves_gaps(kernel, normalize(problem)));
}

TEST_F(Launch, FixedStrideWritesEveryPixelOnce) {
  kernel.stride[HEIGHT] = 2;
  kernel.stride[WIDTH] = 4;
  seen.results = 8;
  for (int64_t size : {1, 2, 5, 8, 11}) {
    seen.calls.clear();
    const Axis height = axis_of(size, 3, (size + 1) / 2, 2, 1, 1), width = axis_of(size, 5, (size + 3) / 4, 4, 1, 2);
    EXPECT_EQ(launch_on_cpu(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 1, height, width, 1, 2)), 0);
    ASSERT_EQ(seen.calls.size(), 1u);
    EXPECT_EQ(seen.calls[0].buffers.size(), 10u);
    EXPECT_EQ(times_written(seen.calls, size, size), std::vector<int>(static_cast<size_t>(size * size), 1)) << size;
  }
}

TEST_F(Launch, JoinedPhasesAreOneResult) {
  kernel.stride[HEIGHT] = kernel.stride[WIDTH] = 2;
  kernel.joins_phases = true;
  EXPECT_EQ(launch_on_cpu(problem_of(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 2, kFive, kFive, 6, 8)), 0);
  ASSERT_EQ(seen.calls.size(), 1u);
  EXPECT_EQ(seen.calls[0].buffers[2], (Seen{0, {0, 1, 1, 0}, {6, 5, 5, 2}, {1, 6, 30, 150}}));
}

// An address on CUDA; on OpenCL a handle and, among the numbers, where in it.
TEST_F(Launch, PlacesOnDevices) {
  const Axis axis = axis_of(4, 3, 4, 1, 1, 1);
  const Normalized problem = normalize(problem_of(CONVGRAD_OP_CONV2D, 1, axis, axis, 6, 9, 3));
  const Place first[3] = {{0x1000, 16}, {0x2000, 32}, {0x3000, 64}};
  kernel.target = &cuda;
  seen.numbers = 4;
  EXPECT_EQ(launch(kernel, problem, first, nullptr), 0);
  ASSERT_EQ(seen.calls.size(), 3u);
  EXPECT_EQ(seen.calls[0].devices, (std::vector<uint64_t>{0x1010, 0x2020, 0x3040}));
  EXPECT_EQ(seen.calls[2].devices, (std::vector<uint64_t>{0x1010 + 16, 0x2020 + 24, 0x3040 + 24}));
  seen.calls.clear();
  kernel.target = &opencl;
  seen.numbers = 4 + 3;
  EXPECT_EQ(launch(kernel, problem, first, nullptr), 0);
  ASSERT_EQ(seen.calls.size(), 3u);
  EXPECT_EQ(seen.calls[2].devices, (std::vector<uint64_t>{0x1000, 0x2000, 0x3000}));
  EXPECT_EQ(seen.calls[0].numbers, (std::vector<int32_t>{1, 1, 1, 1, 4, 8, 16}));
  EXPECT_EQ(seen.calls[2].numbers, (std::vector<int32_t>{1, 1, 1, 1, 4 + 4, 8 + 6, 16 + 6}));
}

}  // namespace
}  // namespace convgrad
