// A context on CUDA, whose driver is a fake that notes every call and computes nothing: what is asked of it, in which
// order, on which stream, and what becomes of its failures.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "gpu/call.h"
#include "gpu/cuda_api.h"
#include "gpu/driver_hooks.h"
#include "support/child.h"

namespace convgrad::test {
namespace {

using cuda::Device;
using cuda::DevicePtr;
using cuda::Function;
using cuda::kComputeCapabilityMajor;
using cuda::kComputeCapabilityMinor;
using cuda::kErrorOutOfMemory;
using cuda::kJitErrorLogBuffer;
using cuda::kJitErrorLogBufferSizeBytes;
using cuda::kJitMaxRegisters;
using cuda::kMemoryPoolsSupported;
using cuda::kStreamNonBlocking;
using cuda::kSuccess;
using cuda::Module;
using cuda::Result;
using cuda::Stream;
typedef cuda::Context CudaContext;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Fake {
  std::vector<int> capabilities = {80};                                      // of each device
  std::vector<std::string> log;                                              // names of functions, in order
  std::map<std::string, std::pair<int, Result>> failing;                     // so many calls answer with the error
  std::vector<CudaContext> current = {reinterpret_cast<CudaContext>(0xc0)};  // of the thread: the application's own
  std::vector<Stream> streams;                                               // of what was enqueued
  unsigned max_registers = 0;
  bool pools = true;
  int live_blocks = 0, retained = 0, live_streams = 0;
  DevicePtr next = 0x10000;
  std::vector<void *> launch_arguments;  // values of the first few, as pointers

  int count(const std::string &name) const { return static_cast<int>(std::count(log.begin(), log.end(), name)); }
};

Fake &fake() {
  static Fake instance;
  return instance;
}

Result called(const char *name) {
  fake().log.push_back(name);
  const auto found = fake().failing.find(name);
  if (found == fake().failing.end() || found->second.first == 0) return kSuccess;
  --found->second.first;
  return found->second.second;
}

const CudaContext kPrimary = reinterpret_cast<CudaContext>(0x70), kGiven = reinterpret_cast<CudaContext>(0x71);
const Stream kOwnStream = reinterpret_cast<Stream>(0x50), kGivenStream = reinterpret_cast<Stream>(0x51);

Result on_stream(const char *name, Stream stream) {
  EXPECT_GT(fake().current.size(), 1u) << name << " without the context";
  fake().streams.push_back(stream);
  return called(name);
}

#define IN_CONTEXT(name) EXPECT_GT(fake().current.size(), 1u) << name << " without the context"

Result cuInit(unsigned) { return called("cuInit"); }
Result cuGetErrorName(Result error, const char **name) {
  *name = error == kErrorOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_FAKE";
  return kSuccess;
}
Result cuGetErrorString(Result, const char **text) {
  *text = "what the driver says";
  return kSuccess;
}
Result cuDeviceGetCount(int *count) {
  *count = static_cast<int>(fake().capabilities.size());
  return called("cuDeviceGetCount");
}
Result cuDeviceGet(Device *device, int ordinal) {
  *device = ordinal;
  return called("cuDeviceGet");
}
Result cuDeviceGetName(char *name, int bytes, Device device) {
  std::snprintf(name, static_cast<size_t>(bytes), "Fake %d", device);
  return kSuccess;
}
Result cuDeviceGetAttribute(int *value, int attribute, Device device) {
  const int capability = fake().capabilities[static_cast<size_t>(device)];
  *value = attribute == kComputeCapabilityMajor   ? capability / 10
           : attribute == kComputeCapabilityMinor ? capability % 10
           : attribute == kMemoryPoolsSupported   ? fake().pools
                                                  : 160 * 1024;
  return called("cuDeviceGetAttribute");
}
Result cuDevicePrimaryCtxRetain(CudaContext *context, Device) {
  *context = kPrimary;
  ++fake().retained;
  return called("cuDevicePrimaryCtxRetain");
}
Result cuDevicePrimaryCtxRelease_v2(Device) {
  --fake().retained;
  return called("cuDevicePrimaryCtxRelease");
}
Result cuCtxPushCurrent_v2(CudaContext context) {
  fake().current.push_back(context);
  return kSuccess;
}
Result cuCtxPopCurrent_v2(CudaContext *context) {
  *context = fake().current.back();
  fake().current.pop_back();
  return kSuccess;
}
Result cuCtxGetDevice(Device *device) {
  *device = 0;
  return called("cuCtxGetDevice");
}
Result cuStreamCreate(Stream *stream, unsigned flags) {
  EXPECT_EQ(flags, kStreamNonBlocking);
  *stream = kOwnStream;
  ++fake().live_streams;
  return called("cuStreamCreate");
}
Result cuStreamDestroy_v2(Stream stream) {
  EXPECT_EQ(stream, kOwnStream);
  --fake().live_streams;
  return called("cuStreamDestroy");
}
Result cuStreamGetCtx(Stream, CudaContext *context) {
  *context = kGiven;
  return called("cuStreamGetCtx");
}
Result cuStreamSynchronize(Stream stream) { return on_stream("cuStreamSynchronize", stream); }
Result cuMemAlloc_v2(DevicePtr *pointer, size_t bytes) {
  IN_CONTEXT("cuMemAlloc");
  const Result result = called("cuMemAlloc");
  if (result != kSuccess) return result;
  *pointer = fake().next;
  fake().next += (bytes + 511) / 256 * 256;
  ++fake().live_blocks;
  return kSuccess;
}
Result cuMemFree_v2(DevicePtr) {
  IN_CONTEXT("cuMemFree");
  EXPECT_EQ(fake().log.back(), "cuStreamSynchronize") << "the stream may still use it";
  --fake().live_blocks;
  return called("cuMemFree");
}
Result cuMemAllocAsync(DevicePtr *pointer, size_t bytes, Stream stream) {
  fake().streams.push_back(stream);
  return cuMemAlloc_v2(pointer, bytes);
}
Result cuMemFreeAsync(DevicePtr, Stream stream) {
  --fake().live_blocks;
  return on_stream("cuMemFree", stream);
}
Result cuMemcpyHtoDAsync_v2(DevicePtr, const void *, size_t, Stream stream) { return on_stream("HtoD", stream); }
Result cuMemcpyDtoHAsync_v2(void *to, DevicePtr, size_t bytes, Stream stream) {
  const Result result = on_stream("DtoH", stream);
  if (result == kSuccess) std::memset(to, 0, bytes);
  return result;
}
Result cuMemcpyDtoDAsync_v2(DevicePtr, DevicePtr, size_t, Stream stream) { return on_stream("DtoD", stream); }
Result cuMemsetD8Async(DevicePtr, unsigned char value, size_t, Stream stream) {
  EXPECT_EQ(value, 0);
  return on_stream("fill", stream);
}
Result cuModuleLoadDataEx(Module *module, const void *image, unsigned count, int *options, void **values) {
  IN_CONTEXT("cuModuleLoadDataEx");
  EXPECT_NE(std::strstr(static_cast<const char *>(image), ".target sm_80"), nullptr);
  const Result result = called("cuModuleLoadDataEx");
  char *log = nullptr;
  size_t room = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == kJitMaxRegisters)
      fake().max_registers = static_cast<unsigned>(reinterpret_cast<uintptr_t>(values[i]));
    if (options[i] == kJitErrorLogBuffer) log = static_cast<char *>(values[i]);
    if (options[i] == kJitErrorLogBufferSizeBytes) room = reinterpret_cast<size_t>(values[i]);
  }
  if (result != kSuccess && log != nullptr) std::snprintf(log, room, "ptxas error, line 7");
  *module = reinterpret_cast<Module>(0x90);
  return result;
}
Result cuModuleUnload(Module) { return called("cuModuleUnload"); }
Result cuModuleGetFunction(Function *function, Module, const char *) {
  *function = reinterpret_cast<Function>(0x91);
  return called("cuModuleGetFunction");
}
Result cuFuncSetAttribute(Function, int, int) { return called("cuFuncSetAttribute"); }
Result cuLaunchKernel(Function function, unsigned x, unsigned y, unsigned z, unsigned tx, unsigned ty, unsigned tz,
                      unsigned, Stream stream, void **arguments, void **extra) {
  EXPECT_EQ(function, reinterpret_cast<Function>(0x91));
  EXPECT_GT(x * y * z * tx * ty * tz, 0u);
  EXPECT_EQ(extra, nullptr);
  fake().launch_arguments = {*static_cast<void **>(arguments[0]), *static_cast<void **>(arguments[1])};
  return on_stream("launch", stream);
}

void install_driver() {
  driver_hooks().libraries["libcuda.so.1"] = &fake();
#define CONVGRAD_CUDA_FUNCTION(name, parameters) driver_hooks().functions[#name] = reinterpret_cast<void *>(&name);
  CONVGRAD_CUDA_FUNCTIONS(CONVGRAD_CUDA_FUNCTION)
#undef CONVGRAD_CUDA_FUNCTION
}

// Each test is a process of its own: what is loaded stays loaded.
class Cuda : public ::testing::Test {
 protected:
  void SetUp() override { install_driver(); }
  void TearDown() override {
    // The application's context is current again after every call.
    EXPECT_EQ(fake().current, std::vector<CudaContext>{reinterpret_cast<CudaContext>(0xc0)});
  }

  static test::Context create(void *device = nullptr, void *queue = nullptr, const char *target = "cuda") {
    convgrad_context_options options = convgrad_context_options_default();
    options.target = target;
    options.device = device;
    options.queue = queue;
    return make_context(options);
  }
  // A call on tensors that say they are in CUDA's memory.
  static void on_device(Call *call, uintptr_t address = 0x800000) {
    for (size_t i = 0; i < 3; ++i) {
      call->tensor[i].memory = CONVGRAD_CUDA;
      call->tensor[i].data = reinterpret_cast<void *>(address + i * 0x100000);
    }
  }
  static void fail(const char *name, int times, Result error) { fake().failing[name] = {times, error}; }
  static void expect_refused(const char *text) {
    EXPECT_EQ(create(), nullptr);
    EXPECT_THAT(convgrad_last_error(), HasSubstr("context_create: options.target is \"cuda\", but "));
    EXPECT_THAT(convgrad_last_error(), HasSubstr(text));
    convgrad_context_options options = convgrad_context_options_default();
    options.target = "cuda_sm80";
    convgrad_context *context = nullptr;
    EXPECT_EQ(convgrad_context_create(&options, &context), CONVGRAD_UNSUPPORTED);
    // The process goes on.
    Call call(kProblems[0]);
    EXPECT_EQ(call.run(nullptr), CONVGRAD_OK);
    EXPECT_TRUE(call.is_right());
    for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
      if (device_of(*convgrad_kernel_at(i)) == "cuda") {
        EXPECT_EQ(convgrad_kernel_at(i)->usable_here, 0);
      }
    }
  }
};

TEST_F(Cuda, NoDriver) {
  driver_hooks().libraries["libcuda.so.1"] = nullptr;
  expect_refused("there is no CUDA driver: libcuda.so.1");
}

TEST_F(Cuda, ADriverWithoutAFunction) {
  driver_hooks().functions.erase("cuLaunchKernel");
  driver_hooks().libraries["libcuda.so.1"] = dlopen(nullptr, RTLD_NOW);  // this program, which has none of that name
  expect_refused("too old");
}

TEST_F(Cuda, ADriverThatDoesNotStart) {
  fail("cuInit", 100, 100);
  expect_refused("cuInit failed: CUDA_ERROR_FAKE (100), what the driver says");
}

TEST_F(Cuda, NoDevice) {
  fake().capabilities = {};
  expect_refused("no device");
}

TEST_F(Cuda, OldDevices) {
  fake().capabilities = {75, 61};
  expect_refused("Fake 0 has compute capability 7.5, target cuda_sm80 needs 8.0; Fake 1 has compute capability 6.1");
}

TEST_F(Cuda, ANewerDeviceBehindAnOldOne) {
  fake().capabilities = {75, 90};
  EXPECT_NE(create(), nullptr) << convgrad_last_error();
  EXPECT_NE(create(nullptr, nullptr, "cuda_sm80"), nullptr) << convgrad_last_error();
}

TEST_F(Cuda, OurOwnContextAndStream) {
  {
    const test::Context context = create(), other = create();
    ASSERT_NE(context, nullptr) << convgrad_last_error();
    EXPECT_EQ(fake().retained, 1) << "the primary context, once for both";
    EXPECT_EQ(fake().live_streams, 2);
    Call call(kProblems[0]);
    fake().log.clear();
    ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
    std::vector<std::string> order;
    for (const std::string &name : fake().log) {
      if (name != "cuMemAlloc" && name.rfind("cuModule", 0) != 0 && name != "fill") order.push_back(name);
    }
    order.erase(std::unique(order.begin(), order.end()), order.end());  // launches of parts
    EXPECT_THAT(order, ElementsAre("HtoD", "launch", "DtoH", "cuStreamSynchronize"));
    EXPECT_EQ(fake().count("HtoD"), 2);
    EXPECT_EQ(fake().count("DtoH"), 1);
    for (Stream stream : fake().streams) EXPECT_EQ(stream, kOwnStream);
    EXPECT_EQ(fake().max_registers, 255u);
    const int blocks = fake().count("cuMemAlloc");
    EXPECT_EQ(call.run(other.get()), CONVGRAD_OK);
    EXPECT_EQ(fake().count("cuModuleLoadDataEx"), 1) << "compiled once for both contexts";
    EXPECT_EQ(call.run(context.get()), CONVGRAD_OK);
    EXPECT_EQ(fake().count("cuMemAlloc"), 2 * blocks) << "memory is kept for later calls";
  }
  EXPECT_EQ(fake().live_blocks, 0);
  EXPECT_EQ(fake().live_streams, 0);
  EXPECT_EQ(fake().retained, 0);
}

TEST_F(Cuda, TheApplicationsContextAndStream) {
  const test::Context context = create(kGiven, kGivenStream);
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  EXPECT_EQ(fake().retained, 0);
  EXPECT_EQ(fake().live_streams, 0);
  for (const char *line : kProblems) {
    Call call(line);
    on_device(&call);
    fake().log.clear();
    fake().streams.clear();
    ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
    EXPECT_EQ(fake().count("HtoD") + fake().count("DtoH") + fake().count("DtoD"), 0) << line;
    EXPECT_EQ(fake().count("cuStreamSynchronize"), 0) << line;
    EXPECT_GT(fake().count("launch"), 0) << line;
    for (Stream stream : fake().streams) EXPECT_EQ(stream, kGivenStream);
  }
}

TEST_F(Cuda, AStreamSaysWhichContext) {
  const test::Context context = create(nullptr, kGivenStream);
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  EXPECT_EQ(fake().count("cuStreamGetCtx"), 1);
  EXPECT_EQ(fake().retained, 0);
}

TEST_F(Cuda, APlanOutlivesItsContext) {
  test::Context context = create();
  Call call(kProblems[0]);
  Plan plan = call.plan(context.get());
  ASSERT_NE(plan, nullptr) << convgrad_last_error();
  context.reset();
  EXPECT_EQ(fake().retained, 1);
  EXPECT_EQ(convgrad_plan_run(plan.get(), call.tensor[0].data, call.tensor[1].data, call.tensor[2].data, nullptr),
            CONVGRAD_OK);
  plan.reset();
  EXPECT_EQ(fake().retained, 0);
  EXPECT_EQ(fake().live_blocks, 0);
}

TEST_F(Cuda, OutOfMemory) {
  const test::Context context = create();
  Call small(kProblems[0]), large("conv2d n2 h30 w30 c20 r3x3 k20 pSAME");
  ASSERT_EQ(small.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  fail("cuMemAlloc", 1, kErrorOutOfMemory);
  EXPECT_EQ(large.run(context.get()), CONVGRAD_OK) << "after what is kept was given back: " << convgrad_last_error();
  EXPECT_GE(fake().count("cuMemFree"), 3);
  Call larger("conv2d n2 h60 w60 c20 r3x3 k20 pSAME");
  fail("cuMemAlloc", 1000, kErrorOutOfMemory);
  EXPECT_EQ(larger.run(context.get()), CONVGRAD_OUT_OF_MEMORY);
  EXPECT_THAT(convgrad_last_error(),
              HasSubstr("Fake 0: cuMemAllocAsync failed: CUDA_ERROR_OUT_OF_MEMORY (2), what the driver says"));
  EXPECT_EQ(fake().live_blocks, 0);
}

TEST_F(Cuda, ADeviceWithoutMemoryPools) {
  fake().pools = false;
  {
    const test::Context context = create();
    for (const char *line : kProblems) {
      Call call(line);
      ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
    }
    EXPECT_GT(fake().live_blocks, 0);
  }
  EXPECT_EQ(fake().live_blocks, 0);
}

TEST_F(Cuda, FailuresHaveTheDriversTextAndPass) {
  const test::Context context = create();
  Call call(kProblems[0]);
  const auto expect_device_error = [&](const char *function, const char *text) {
    fail(function, 1, 719);
    call.clear();
    EXPECT_EQ(call.run(context.get()), CONVGRAD_DEVICE_ERROR) << function;
    EXPECT_THAT(convgrad_last_error(), HasSubstr(text));
    EXPECT_THAT(convgrad_last_error(), HasSubstr("CUDA_ERROR_FAKE (719)"));
    EXPECT_THAT(convgrad_last_error(), HasSubstr("conv2d"));
    EXPECT_EQ(call.run(nullptr), CONVGRAD_OK) << "another context";
    EXPECT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
  };
  expect_device_error("cuModuleLoadDataEx", "ptxas error, line 7");
  expect_device_error("launch", "cuLaunchKernel");
  expect_device_error("HtoD", "cuMemcpyHtoDAsync");
  expect_device_error("DtoH", "cuMemcpyDtoHAsync");
  expect_device_error("cuStreamSynchronize", "cuStreamSynchronize");
}

TEST_F(Cuda, TensorsByAddress) {
  const test::Context context = create(kGiven, kGivenStream);
  Call call(kProblems[0]);
  on_device(&call);
  call.tensor[2].data = reinterpret_cast<void *>(0x800000 + call.bytes(0) - 4);
  EXPECT_EQ(call.run(context.get()), CONVGRAD_INVALID_ARGUMENT);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("overlaps input"));
  on_device(&call);
  call.tensor[1].memory = CONVGRAD_OPENCL;
  EXPECT_EQ(call.run(context.get()), CONVGRAD_UNSUPPORTED);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("filter is in OpenCL memory"));
  on_device(&call);
  call.tensor[0].data = nullptr;
  EXPECT_EQ(call.run(context.get()), CONVGRAD_INVALID_ARGUMENT);
  on_device(&call);
  EXPECT_EQ(call.run(nullptr), CONVGRAD_UNSUPPORTED);
  EXPECT_THAT(convgrad_last_error(), HasSubstr("CUDA memory"));
}

// Kernels of a fixed filter read whole vectors; generic ones any element.
TEST_F(Cuda, TensorsOffAVectorsAddressAreCopiedForKernelsThatReadVectors) {
  int direct = 0;
  for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
    const convgrad_kernel_info *kernel = convgrad_kernel_at(i);
    if (device_of(*kernel) != "cuda" || kernel->op != CONVGRAD_OP_CONV2D) continue;
    if (kernel->dtype != CONVGRAD_FLOAT32) continue;  // as the call below
    convgrad_context_options options = convgrad_context_options_default();
    options.kernel = kernel->name;
    options.device = kGiven;
    options.queue = kGivenStream;
    const test::Context context = make_context(options);
    ASSERT_NE(context, nullptr) << convgrad_last_error();
    const FixedFilter fixed = parse_kernel_name(*kernel).value();
    Call call(fixed.any()
                  ? kProblems[0]
                  : "conv2d n1 h12 w12 c8 r" + std::to_string(fixed.filter[0]) + "x" + std::to_string(fixed.filter[1]) +
                        " k8 s" + std::to_string(fixed.stride[0]) + "x" + std::to_string(fixed.stride[1]) + " pSAME");
    on_device(&call, 0x800004);
    fake().log.clear();
    ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
    EXPECT_EQ(fake().count("DtoD"), fixed.any() ? 0 : 3) << kernel->name;
    fake().log.clear();
    on_device(&call);
    ASSERT_EQ(call.run(context.get()), CONVGRAD_OK) << convgrad_last_error();
    EXPECT_EQ(fake().count("DtoD"), 0) << kernel->name;
    direct += !fixed.any();
  }
  if (direct == 0) GTEST_SKIP() << "this build has no direct CUDA kernel of conv2d";
}

TEST_F(Cuda, AChildIsRefused) {
  test::Context context = create();
  Call call(kProblems[0]);
  ASSERT_EQ(call.run(context.get()), CONVGRAD_OK);
  const ChildResult child = run_in_child({}, [&] {
    fake().log.clear();
    if (call.run(context.get()) != CONVGRAD_UNSUPPORTED) return 1;
    if (create() != nullptr) return 2;
    context.reset();
    return fake().log.empty() ? 0 : 3;  // nothing was asked of the driver
  });
  EXPECT_EQ(child.exit_code, 0) << child.output;
  EXPECT_EQ(call.run(context.get()), CONVGRAD_OK);
}

}  // namespace
}  // namespace convgrad::test
