// A device as its contexts share it, and what one context has on it.
#ifndef CONVGRAD_RUNTIME_GPU_DEVICE_H
#define CONVGRAD_RUNTIME_GPU_DEVICE_H

#include <pthread.h>
#include <sys/types.h>

#include <atomic>

#include "gpu/driver.h"

namespace convgrad {

constexpr size_t kMaxIdleKernels = 8;  // more calls at once than that make their own

// An entry point of a module.
struct GpuFunction {
  GpuFunction *next;
  const char *name;
  void *handle;                 // CUfunction
  int32_t max_shared;           // CUDA: the bytes that it may ask for so far
  void *idle[kMaxIdleKernels];  // OpenCL: cl_kernels that no call uses: their arguments are state
  size_t idle_count;
};

// A kernel object's device code, compiled for one device.
struct GpuModule {
  GpuModule *next;
  const char *source;  // the code in the kernel object, which tells modules apart
  void *handle;        // CUmodule or cl_program
  GpuFunction *functions;
};

// A driver's context and what is compiled in it. Contexts of one driver context share it.
struct GpuDevice {
  const Driver *driver;
  void *context;     // CUcontext or cl_context
  bool own_context;  // not the application's
  uintptr_t id;      // CUdevice or cl_device_id
  char name[128];
  int32_t max_shared;  // CUDA: bytes that a block may have
  bool no_doubles;     // OpenCL: it has no double precision
  bool pools;          // CUDA: memory can be allocated and freed in a stream's order
  int references;
  GpuDevice *next;
  pthread_mutex_t mutex;    // of the modules, their functions and idle kernels; held shortly
  pthread_mutex_t compile;  // held while a module is compiled, so that each is compiled once
  GpuModule *modules;
};

// A piece of device memory of a context: in use, or kept for later calls.
struct GpuBlock {
  GpuBlock *next;
  uint64_t memory;
  size_t bytes;
  bool in_use;
  uint64_t freed_at;
};

struct Gpu {
  std::atomic<int> references;
  GpuDevice *device;
  pid_t process;  // a child made by fork must not touch the driver
  void *queue;    // CUstream or cl_command_queue
  bool own_queue;
  std::atomic<void *> last_event;  // OpenCL: of the latest work that no call waited for
  pthread_mutex_t mutex;           // of the blocks
  GpuBlock *blocks;
  size_t bytes_in_use, bytes_kept, most_in_use;
  uint64_t frees;
};

// Finds the module whose code is `source`, or compiles it for the target.
convgrad_status find_module(GpuDevice *device, const Target &target, const char *source, size_t bytes,
                            GpuModule **module, Text *reason);
// Finds or adds the function; NULL: out of memory.
GpuFunction *find_function(GpuDevice *device, GpuModule *module, const char *name);
void unload_modules(GpuDevice *device);

// Device memory that is used in the order of the context's queue. A block may be freed while the queue still uses it.
// Blocks that are not in use are kept, at most as many bytes as were in use at a time.
convgrad_status allocate_block(Gpu *gpu, size_t bytes, uint64_t *memory, Text *reason);
void free_block(Gpu *gpu, uint64_t memory);
// Gives back every block that is not in use. False: there was none.
bool release_kept_blocks(Gpu *gpu);

}  // namespace convgrad

#endif
