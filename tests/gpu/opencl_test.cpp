// A context on OpenCL, with the application's own context, queue and memory. What the runtime asks of OpenCL is
// counted, and made to fail, on the way.
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "gpu/call.h"
#include "gpu/driver_hooks.h"
#include "support/child.h"

namespace convgrad::test {
namespace {

using ::testing::HasSubstr;

// Calls that the runtime made of each function that matters, and those that are to fail.
struct Counted {
  std::atomic<int> calls{0};
  std::atomic<int> failing{0};  // so many calls answer with the error
  std::atomic<int> error{0};
};
#define COUNTED_FUNCTIONS(FUNCTION) \
  FUNCTION(clEnqueueWriteBuffer)    \
  FUNCTION(clEnqueueReadBuffer)     \
  FUNCTION(clEnqueueCopyBuffer)     \
  FUNCTION(clEnqueueFillBuffer)     \
  FUNCTION(clEnqueueNDRangeKernel)  \
  FUNCTION(clBuildProgram)          \
  FUNCTION(clFinish)
#define DECLARE(name) Counted name##_counted;
COUNTED_FUNCTIONS(DECLARE)
#undef DECLARE
Counted clCreateBuffer_counted, clReleaseMemObject_counted, clGetEventInfo_counted;

// The sizes of the buffers that the runtime holds.
std::mutex live_mutex;
std::map<cl_mem, size_t> live;

size_t live_bytes() {
  const std::lock_guard<std::mutex> lock(live_mutex);
  size_t bytes = 0;
  for (const auto &[memory, size] : live) bytes += size;
  return bytes;
}

// The real function between a count and a chosen failure.
template <typename Function>
struct Hook;
template <typename... Parameters>
struct Hook<cl_int (*)(Parameters...)> {
  template <Counted *counted, const char *name>
  static cl_int call(Parameters... parameters) {
    ++counted->calls;
    if (counted->failing > 0 && counted->failing-- > 0) return counted->error;
    return reinterpret_cast<cl_int (*)(Parameters...)>(driver_hooks().real.at(name))(parameters...);
  }
};
#define NAME(name) constexpr char name##_name[] = #name;
COUNTED_FUNCTIONS(NAME)
#undef NAME

cl_mem create_buffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host, cl_int *error) {
  ++clCreateBuffer_counted.calls;
  if (clCreateBuffer_counted.failing > 0 && clCreateBuffer_counted.failing-- > 0) {
    *error = clCreateBuffer_counted.error;
    return nullptr;
  }
  cl_mem made = clCreateBuffer(context, flags, bytes, host, error);
  const std::lock_guard<std::mutex> lock(live_mutex);
  if (made != nullptr) live[made] = bytes;
  return made;
}

cl_int release_memory(cl_mem memory) {
  ++clReleaseMemObject_counted.calls;
  {
    const std::lock_guard<std::mutex> lock(live_mutex);
    live.erase(memory);
  }
  return clReleaseMemObject(memory);
}

// A failure is one of the command, which the question itself survives.
cl_int get_event_info(cl_event event, cl_event_info what, size_t room, void *value, size_t *bytes) {
  ++clGetEventInfo_counted.calls;
  const cl_int result = clGetEventInfo(event, what, room, value, bytes);
  if (clGetEventInfo_counted.failing > 0 && clGetEventInfo_counted.failing-- > 0) {
    *static_cast<cl_int *>(value) = clGetEventInfo_counted.error;
  }
  return result;
}

void install_hooks() {
#define INSTALL(name)               \
  driver_hooks().functions[#name] = \
      reinterpret_cast<void *>(&Hook<decltype(&name)>::call<&name##_counted, name##_name>);
  COUNTED_FUNCTIONS(INSTALL)
#undef INSTALL
  driver_hooks().functions["clCreateBuffer"] = reinterpret_cast<void *>(&create_buffer);
  driver_hooks().functions["clReleaseMemObject"] = reinterpret_cast<void *>(&release_memory);
  driver_hooks().functions["clGetEventInfo"] = reinterpret_cast<void *>(&get_event_info);
}

void forget_calls() {
#define FORGET(name) name##_counted.calls = 0;
  COUNTED_FUNCTIONS(FORGET)
#undef FORGET
  for (Counted *counted : {&clCreateBuffer_counted, &clReleaseMemObject_counted, &clGetEventInfo_counted}) {
    counted->calls = 0;
  }
}

int copies() {
  return clEnqueueWriteBuffer_counted.calls + clEnqueueReadBuffer_counted.calls + clEnqueueCopyBuffer_counted.calls;
}

void fail_next(Counted *counted, int times, int error) {
  counted->error = error;
  counted->failing = times;
}

// The application's side.
struct Application {
  explicit Application(cl_command_queue_properties properties = 0) {
    cl_platform_id platform = nullptr;
    cl_int error = clGetPlatformIDs(1, &platform, nullptr);
    EXPECT_EQ(error, CL_SUCCESS) << "install pocl-opencl-icd";
    EXPECT_EQ(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), CL_SUCCESS);
    context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    queue = clCreateCommandQueue(context, device, properties, &error);
    EXPECT_EQ(error, CL_SUCCESS);
  }
  ~Application() {
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
  }
  Application(const Application &) = delete;
  Application &operator=(const Application &) = delete;

  Context make_context(bool with_queue = true) const {
    convgrad_context_options options = convgrad_context_options_default();
    options.target = "opencl";
    options.device = context;
    options.queue = with_queue ? queue : nullptr;
    return test::make_context(options);
  }

  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
};

// A call's tensors in one cl_mem, each a few elements behind the one before: nothing is aligned to more than 4 bytes.
struct OnDevice {
  OnDevice(const Application &app, Call *what) : application(app), call(*what) {
    size_t at = 3;
    for (size_t i = 0; i < 3; ++i) {
      first[i] = at;
      at += call.memory[i].size() + 5;
    }
    image.assign(at, Call::kUntouched);
    for (size_t i = 0; i < 2; ++i) std::copy(call.memory[i].begin(), call.memory[i].end(), image.begin() + first[i]);
    cl_int error = CL_SUCCESS;
    memory = clCreateBuffer(application.context, CL_MEM_READ_WRITE, at * sizeof(float), nullptr, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    for (size_t i = 0; i < 3; ++i) use(i);
  }
  ~OnDevice() { clReleaseMemObject(memory); }
  OnDevice(const OnDevice &) = delete;
  OnDevice &operator=(const OnDevice &) = delete;

  void use(size_t i) {
    call.tensor[i].data = memory;
    call.tensor[i].memory = CONVGRAD_OPENCL;
    call.tensor[i].byte_offset = static_cast<int64_t>(first[i] * sizeof(float));
  }
  void write() {
    EXPECT_EQ(clEnqueueWriteBuffer(application.queue, memory, CL_FALSE, 0, image.size() * sizeof(float), image.data(),
                                   0, nullptr, nullptr),
              CL_SUCCESS);
  }
  // Whether the result is right and nothing else has changed.
  bool is_right() {
    std::vector<float> after(image.size());
    EXPECT_EQ(clEnqueueReadBuffer(application.queue, memory, CL_FALSE, 0, after.size() * sizeof(float), after.data(), 0,
                                  nullptr, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(clFinish(application.queue), CL_SUCCESS);
    const auto begin = after.begin() + static_cast<std::ptrdiff_t>(first[2]);
    const std::vector<float> result(begin, begin + static_cast<std::ptrdiff_t>(call.memory[2].size()));
    std::fill(begin, begin + static_cast<std::ptrdiff_t>(result.size()), Call::kUntouched);
    return call.is_right(result) && after == image;
  }

  const Application &application;
  Call &call;
  cl_mem memory;
  std::array<size_t, 3> first;
  std::vector<float> image;
};

class OpenCl : public ::testing::Test {
 protected:
  void SetUp() override {
    install_hooks();
    forget_calls();
  }
};

TEST_F(OpenCl, TensorsOfTheDeviceAreUsedInPlace) {
  const Application application;
  const Context context = application.make_context();
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  for (const char *line : kProblems) {
    Call call(line);
    OnDevice device(application, &call);
    device.write();
    forget_calls();
    ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << line << ": " << convgrad_last_error();
    EXPECT_EQ(copies(), 0) << line;
    EXPECT_GT(clEnqueueNDRangeKernel_counted.calls, 0) << line;
    EXPECT_EQ(clFinish_counted.calls, 0) << "the call waited";
    EXPECT_TRUE(device.is_right()) << line;
    ++tally().problems;
  }
}

TEST_F(OpenCl, TensorsOfTheHostAreCopiedOnce) {
  const Application application;
  for (const bool with_queue : {true, false}) {
    const Context context = application.make_context(with_queue);
    ASSERT_NE(context, nullptr) << convgrad_last_error();
    for (const char *line : kProblems) {
      Call call(line);
      forget_calls();
      ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << line << ": " << convgrad_last_error();
      EXPECT_TRUE(call.is_right()) << line;
      EXPECT_EQ(clEnqueueWriteBuffer_counted.calls, 2) << line;
      EXPECT_EQ(clEnqueueReadBuffer_counted.calls, 1) << line;
    }
  }
}

TEST_F(OpenCl, SomeTensorsOnTheHost) {
  const Application application;
  const Context context = application.make_context();
  for (const char *line : kProblems) {
    for (size_t on_host = 0; on_host < 3; ++on_host) {
      Call call(line);
      const convgrad_tensor host = call.tensor[on_host];
      OnDevice device(application, &call);
      device.write();
      call.tensor[on_host] = host;
      forget_calls();
      ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << line << ": " << convgrad_last_error();
      EXPECT_EQ(copies(), 1) << line;
      EXPECT_TRUE(on_host == 2 ? call.is_right() : device.is_right()) << line << ", " << on_host << " on the host";
    }
  }
}

TEST_F(OpenCl, AWholeBufferATensorAndPlans) {
  const Application application;
  Context context = application.make_context();
  Call call(kProblems[1]);
  std::array<cl_mem, 3> memory;
  for (size_t i = 0; i < 3; ++i) {
    memory[i] = clCreateBuffer(application.context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, call.bytes(i),
                               call.memory[i].data(), nullptr);
    call.tensor[i].memory = CONVGRAD_OPENCL;
  }
  const Plan plan = call.plan(context.get());
  ASSERT_NE(plan, nullptr) << convgrad_last_error();
  EXPECT_EQ(convgrad_plan_workspace_size(plan.get()), 0u);
  context.reset();  // the plan outlives it
  ASSERT_EQ(convgrad_plan_run(plan.get(), memory[0], memory[1], memory[2], nullptr), CONVGRAD_OK);
  clEnqueueReadBuffer(application.queue, memory[2], CL_TRUE, 0, call.bytes(2), call.memory[2].data(), 0, nullptr,
                      nullptr);
  EXPECT_TRUE(call.is_right());
  for (cl_mem one : memory) clReleaseMemObject(one);
}

TEST_F(OpenCl, TwoContextsOnTwoQueuesAtOnce) {
  const Application first, second;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (const Application *application : {&first, &second}) {
    threads.emplace_back([&wrong, application] {
      const Context context = application->make_context();
      for (int repeat = 0; repeat < 10; ++repeat) {
        for (const char *line : kProblems) {
          Call call(line);
          OnDevice device(*application, &call);
          device.write();
          wrong += call.run(context.get()) != CONVGRAD_OK || !device.is_right();
        }
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(OpenCl, ManyThreadsInOneContextCompileOnce) {
  const Application application;
  const Context context = application.make_context(), other = application.make_context(false);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 6; ++repeat) {
        Call call(kProblems[(i + repeat) % 3], static_cast<uint64_t>(i));
        wrong += call.run(i % 2 == 0 ? context.get() : other.get()) != CONVGRAD_OK || !call.is_right();
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(clBuildProgram_counted.calls, 3) << "a program an op, for both contexts";
}

TEST_F(OpenCl, WrongTensors) {
  const Application application, stranger;
  const Context context = application.make_context();
  Call call(kProblems[0]);
  OnDevice device(application, &call);
  const convgrad_tensor right[3] = {call.tensor[0], call.tensor[1], call.tensor[2]};
  const auto expect = [&](convgrad_status status, const char *argument, const char *text) {
    EXPECT_EQ(call.run(context.get()), status);
    EXPECT_THAT(convgrad_last_error(), HasSubstr(argument));
    EXPECT_THAT(convgrad_last_error(), HasSubstr(text));
    for (size_t i = 0; i < 3; ++i) call.tensor[i] = right[i];
  };
  call.tensor[1].data = nullptr;
  expect(CONVGRAD_INVALID_ARGUMENT, "filter", "NULL");
  call.tensor[2].byte_offset += 24;  // one element too far
  expect(CONVGRAD_INVALID_ARGUMENT, "output", "at least");
  call.tensor[2].byte_offset += int64_t{1} << 40;
  expect(CONVGRAD_UNSUPPORTED, "output", "elements");
  call.tensor[0].byte_offset += 2;
  expect(CONVGRAD_INVALID_ARGUMENT, "input", "multiple of 4");
  call.tensor[2].byte_offset = right[0].byte_offset + static_cast<int64_t>(call.bytes(0)) - 4;
  expect(CONVGRAD_INVALID_ARGUMENT, "output", "overlaps input");
  call.tensor[1].memory = CONVGRAD_CUDA;
  expect(CONVGRAD_UNSUPPORTED, "filter", "CUDA memory");
  cl_mem foreign = clCreateBuffer(stranger.context, CL_MEM_READ_WRITE, 4096, nullptr, nullptr);
  call.tensor[1].data = foreign;
  expect(CONVGRAD_INVALID_ARGUMENT, "filter", "belongs to");
  clReleaseMemObject(foreign);
  EXPECT_EQ(call.run(nullptr), CONVGRAD_UNSUPPORTED);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("OpenCL memory"));
  device.write();
  EXPECT_EQ(call.run(context.get()), CONVGRAD_OK);
  EXPECT_TRUE(device.is_right());
}

TEST_F(OpenCl, SubBuffersOfOneBufferOverlap) {
  const Application application;
  const Context context = application.make_context();
  Call call(kProblems[0]);
  cl_mem whole = clCreateBuffer(application.context, CL_MEM_READ_WRITE, 65536, nullptr, nullptr);
  const auto part = [&](size_t origin, size_t bytes) {
    const cl_buffer_region region = {origin, bytes};
    return clCreateSubBuffer(whole, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, nullptr);
  };
  cl_mem a = part(0, 32768), b = part(32768, 8192), c = part(16384, 16384);
  ASSERT_TRUE(a != nullptr && b != nullptr && c != nullptr);
  const cl_mem parts[3] = {a, b, c};
  for (size_t i = 0; i < 3; ++i) {
    call.tensor[i].data = parts[i];
    call.tensor[i].memory = CONVGRAD_OPENCL;
  }
  EXPECT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  call.tensor[0].byte_offset = 16384;  // where the result's buffer begins
  EXPECT_EQ(call.run(context.get()), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("overlaps input"));
  clFinish(application.queue);
  for (cl_mem memory : {a, b, c, whole}) clReleaseMemObject(memory);
}

TEST_F(OpenCl, WrongDevicesAndQueues) {
  const Application application, other;
  convgrad_context_options options = convgrad_context_options_default();
  convgrad_context *context = nullptr;
  options.device = application.context;
  EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("options.device"));
  options.target = "opencl";
  options.queue = other.queue;
  EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("options.queue"));
  options.device = nullptr;  // the queue says which
  EXPECT_NE(make_context(options), nullptr) << convgrad_last_error();
  const Application unordered(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  options.queue = unordered.queue;
  EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_UNSUPPORTED);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("order"));
}

TEST_F(OpenCl, OutOfMemory) {
  const Application application;
  const Context context = application.make_context();
  Call small(kProblems[0]), large("conv2d n2 h30 w30 c20 r3x3 k20 pSAME");
  ASSERT_EQ(small.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  // What is kept for later calls is given back, and the call succeeds.
  forget_calls();
  fail_next(&clCreateBuffer_counted, 1, CL_MEM_OBJECT_ALLOCATION_FAILURE);
  EXPECT_EQ(large.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_TRUE(large.is_right());
  EXPECT_GE(clReleaseMemObject_counted.calls, 3);
  Call larger("conv2d n2 h40 w40 c20 r3x3 k20 pSAME");
  fail_next(&clCreateBuffer_counted, 1000, CL_MEM_OBJECT_ALLOCATION_FAILURE);
  EXPECT_EQ(larger.run(context.get()), CONVGRAD_OUT_OF_MEMORY);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("clCreateBuffer failed: CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)"));
  EXPECT_EQ(larger.memory[2], std::vector<float>(larger.memory[2].size(), Call::kUntouched));
  fail_next(&clCreateBuffer_counted, 0, 0);
  EXPECT_EQ(larger.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_TRUE(larger.is_right());
}

// What a context keeps is no more than its largest call needed.
TEST_F(OpenCl, KeptMemoryIsBounded) {
  const Application application;
  Context context = application.make_context();
  const auto run = [&](int size) {
    Call call("conv2d n1 h" + std::to_string(size) + " w" + std::to_string(size) + " c9 r3x3 k8 pSAME");
    ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
    EXPECT_TRUE(call.is_right());
  };
  run(39);
  const size_t largest = live_bytes();
  for (int size = 4; size < 40; ++size) {
    run(size);
    EXPECT_LE(live_bytes(), largest) << size;
  }
  run(39);
  forget_calls();
  for (int repeat = 0; repeat < 10; ++repeat) run(39);
  EXPECT_EQ(clCreateBuffer_counted.calls, 0) << "the same call needs no new memory";
  context.reset();
  EXPECT_EQ(live_bytes(), 0u);
}

TEST_F(OpenCl, FailuresHaveTheDriversTextAndPass) {
  const Application application;
  Call call(kProblems[0]);
  const auto expect_device_error = [&](const Context &context, const char *text) {
    call.clear();
    EXPECT_EQ(call.run(context.get()), CONVGRAD_DEVICE_ERROR) << text;
    EXPECT_THAT(convgrad_last_error(), HasSubstr(text));
    EXPECT_EQ(call.memory[2], std::vector<float>(call.memory[2].size(), Call::kUntouched));
    EXPECT_EQ(call.run(nullptr), CONVGRAD_OK) << "another context: " << convgrad_last_error();
    EXPECT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
    EXPECT_TRUE(call.is_right());
  };
  const Context context = application.make_context();
  fail_next(&clBuildProgram_counted, 1, CL_BUILD_PROGRAM_FAILURE);
  expect_device_error(context, "clBuildProgram failed: CL_BUILD_PROGRAM_FAILURE (-11)");
  fail_next(&clEnqueueNDRangeKernel_counted, 1, CL_OUT_OF_RESOURCES);
  expect_device_error(context, "clEnqueueNDRangeKernel failed: CL_OUT_OF_RESOURCES (-5)");
  fail_next(&clEnqueueWriteBuffer_counted, 1, CL_OUT_OF_RESOURCES);
  expect_device_error(context, "clEnqueueWriteBuffer failed");
  fail_next(&clEnqueueReadBuffer_counted, 1, CL_OUT_OF_RESOURCES);
  expect_device_error(context, "clEnqueueReadBuffer failed");
}

// What failed after a call had returned is the next call's to tell.
TEST_F(OpenCl, LaterFailuresSurfaceAtTheNextCall) {
  const Application application;
  const Context context = application.make_context();
  Call call(kProblems[2]);
  OnDevice device(application, &call);
  device.write();
  ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  fail_next(&clGetEventInfo_counted, 1, CL_OUT_OF_RESOURCES);
  EXPECT_EQ(call.run(context.get()), CONVGRAD_DEVICE_ERROR);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("earlier call"));
  EXPECT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_TRUE(device.is_right());
}

TEST_F(OpenCl, NothingToAddUpFillsWithZeros) {
  const Application application;
  const Context context = application.make_context();
  Call call("conv2d_backprop_input n2 h4 w5 c3 r3x3 k0 pSAME");
  ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_TRUE(call.is_right());
  OnDevice device(application, &call);
  device.write();
  ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_TRUE(device.is_right());
}

TEST_F(OpenCl, AChildIsRefusedAndTheParentGoesOn) {
  const Application application;
  Context context = application.make_context();
  Call call(kProblems[0]);
  ASSERT_EQ(call.run(context.get()), CONVGRAD_OK);
  Plan plan = call.plan(context.get());
  const ChildResult child = run_in_child({}, [&] {
    if (call.run(context.get()) != CONVGRAD_UNSUPPORTED) return 1;
    if (std::strstr(convgrad_last_error(), "forked") == nullptr) return 2;
    convgrad_context_options options = convgrad_context_options_default();
    options.target = "opencl";
    if (make_context(options) != nullptr) return 3;
    if (std::strstr(convgrad_last_error(), "fork") == nullptr) return 4;
    plan.reset();
    context.reset();
    call.clear();
    return call.run(nullptr) == CONVGRAD_OK && call.is_right() ? 0 : 5;
  });
  EXPECT_EQ(child.exit_code, 0) << child.output;
  call.clear();
  EXPECT_EQ(call.run(context.get()), CONVGRAD_OK);
  EXPECT_TRUE(call.is_right());
}

TEST_F(OpenCl, TheEnvironmentMayNameIt) {
  setenv("CONVGRAD_TARGET", "opencl", 1);
  const Context context = make_context(convgrad_context_options_default());
  unsetenv("CONVGRAD_TARGET");
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  Call call(kProblems[0]);
  EXPECT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  EXPECT_TRUE(call.is_right());
  EXPECT_GT(clEnqueueNDRangeKernel_counted.calls, 0);
}

}  // namespace
}  // namespace convgrad::test
