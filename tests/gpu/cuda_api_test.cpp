// What the runtime declares of CUDA's driver API, against the toolkit's header. Compiled where there is one.
#include <cuda.h>
#include <gtest/gtest.h>

#include "gpu/cuda_api.h"
#include "gpu/same_type.h"

namespace convgrad {
namespace {

#define CONVGRAD_CUDA_FUNCTION(name, parameters) \
  static_assert(test::called_alike<decltype(cuda::Functions::name), decltype(&::name)>(), #name);
CONVGRAD_CUDA_FUNCTIONS(CONVGRAD_CUDA_FUNCTION)
#undef CONVGRAD_CUDA_FUNCTION

static_assert(int{cuda::kSuccess} == CUDA_SUCCESS);
static_assert(int{cuda::kErrorOutOfMemory} == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(int{cuda::kComputeCapabilityMajor} == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(int{cuda::kComputeCapabilityMinor} == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(int{cuda::kMaxSharedMemoryPerBlockOptin} == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(int{cuda::kMemoryPoolsSupported} == CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED);
static_assert(int{cuda::kErrorNoDevice} == CUDA_ERROR_NO_DEVICE);
static_assert(int{cuda::kJitMaxRegisters} == CU_JIT_MAX_REGISTERS);
static_assert(int{cuda::kJitErrorLogBuffer} == CU_JIT_ERROR_LOG_BUFFER);
static_assert(int{cuda::kJitErrorLogBufferSizeBytes} == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
static_assert(cuda::kFuncMaxDynamicSharedSize == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(cuda::kStreamNonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(sizeof(cuda::DevicePtr) == sizeof(CUdeviceptr));

TEST(CudaApi, IsAsTheHeaderSays) {}  // or this file does not compile

}  // namespace
}  // namespace convgrad
