// What the runtime declares of OpenCL, against the official header.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <gtest/gtest.h>

#include "gpu/opencl_api.h"
#include "gpu/same_type.h"

namespace convgrad {
namespace {

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#define CONVGRAD_OPENCL_FUNCTION(result, name, parameters) \
  static_assert(test::called_alike<decltype(opencl::Functions::name), decltype(&::name)>(), #name);
CONVGRAD_OPENCL_FUNCTIONS(CONVGRAD_OPENCL_FUNCTION)
#undef CONVGRAD_OPENCL_FUNCTION

static_assert(opencl::kSuccess == CL_SUCCESS);
static_assert(opencl::kMemObjectAllocationFailure == CL_MEM_OBJECT_ALLOCATION_FAILURE);
static_assert(opencl::kOutOfHostMemory == CL_OUT_OF_HOST_MEMORY);
static_assert(opencl::kInvalidBufferSize == CL_INVALID_BUFFER_SIZE);
static_assert(opencl::kDeviceTypeGpu == CL_DEVICE_TYPE_GPU && opencl::kDeviceTypeAll == CL_DEVICE_TYPE_ALL);
static_assert(opencl::kDeviceType == CL_DEVICE_TYPE);
static_assert(opencl::kDeviceMaxWorkGroupSize == CL_DEVICE_MAX_WORK_GROUP_SIZE);
static_assert(opencl::kDeviceLocalMemSize == CL_DEVICE_LOCAL_MEM_SIZE);
static_assert(opencl::kDeviceAvailable == CL_DEVICE_AVAILABLE);
static_assert(opencl::kDeviceCompilerAvailable == CL_DEVICE_COMPILER_AVAILABLE);
static_assert(opencl::kDeviceName == CL_DEVICE_NAME && opencl::kDeviceVersion == CL_DEVICE_VERSION);
static_assert(opencl::kContextDevices == CL_CONTEXT_DEVICES);
static_assert(opencl::kQueueContext == CL_QUEUE_CONTEXT && opencl::kQueueDevice == CL_QUEUE_DEVICE);
static_assert(opencl::kQueueProperties == CL_QUEUE_PROPERTIES);
static_assert(opencl::kQueueOutOfOrder == CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
static_assert(opencl::kMemReadWrite == CL_MEM_READ_WRITE);
static_assert(opencl::kMemSize == CL_MEM_SIZE && opencl::kMemContext == CL_MEM_CONTEXT);
static_assert(opencl::kMemAssociatedMemobject == CL_MEM_ASSOCIATED_MEMOBJECT);
static_assert(opencl::kMemOffset == CL_MEM_OFFSET);
static_assert(opencl::kProgramBuildLog == CL_PROGRAM_BUILD_LOG);
static_assert(opencl::kEventCommandExecutionStatus == CL_EVENT_COMMAND_EXECUTION_STATUS);
static_assert(sizeof(size_t) == sizeof(cl_mem) && sizeof(opencl::Mem) == sizeof(cl_mem));

TEST(OpenClApi, IsAsTheHeaderSays) {}  // or this file does not compile

}  // namespace
}  // namespace convgrad
