#include <unistd.h>

#include <cstring>

#include "gpu/call.h"
#include "gpu/gpu.h"
#include "launch.h"

namespace convgrad {
namespace {

// What vectors of a CUDA kernel want; OpenCL's take any element's address.
constexpr uint64_t kVectorBytes = 16;

// How the device sees a tensor.
struct Staged {
  Place place;
  uint64_t block;  // of device memory, which stands for the tensor's; 0: used in place
  char *packed;    // host memory for its elements without what lies between them; NULL: copied as it lies
};

class Run {
 public:
  Run(const PreparedCall &call, const void *const data[3], Text *reason)
      : call_(call), gpu_(call.settings.gpu), driver_(*gpu_->device->driver), reason_(reason) {
    for (int i = 0; i < 3; ++i) {
      const Role role = call.op->role[i];
      data_[role] = static_cast<char *>(const_cast<void *>(data[i]));
      waits_ = waits_ || (tensor(role).memory == CONVGRAD_HOST && tensor(role).span > 0);
    }
    // Nobody else could tell when our own queue is done.
    waits_ = waits_ || gpu_->own_queue;
  }

  ~Run() {
    for (Staged &staged : staged_) {
      if (staged.block != 0) free_block(gpu_, staged.block);
      release(call_.settings.memory, staged.packed);
    }
  }
  Run(const Run &) = delete;
  Run &operator=(const Run &) = delete;

  convgrad_status run() {
    convgrad_status status = enqueue();
    if (status != CONVGRAD_OK) {
      // The host's memory must not be in use any more.
      Text ignored;
      if (waits_) driver_.synchronize(gpu_, &ignored);
      return status;
    }
    status = waits_ ? driver_.synchronize(gpu_, reason_) : driver_.flush(gpu_, reason_);
    if (status == CONVGRAD_OK) unpack_result();
    return status;
  }

 private:
  const Tensor &tensor(Role role) const { return call_.problem.tensor[role]; }
  bool is_host(Role role) const { return tensor(role).memory == CONVGRAD_HOST; }
  char *host(Role role) const { return data_[role] + tensor(role).byte_offset; }
  Role result() const { return call_.op->result(); }
  Runs runs(const Tensor &of) const { return runs_of(of.size, of.stride, dtype_size(call_.problem.dtype)); }

  convgrad_status enqueue() {
    for (int i = 0; i < 3; ++i) {
      if (convgrad_status status = stage(call_.op->role[i])) return status;
    }
    for (int i = 0; i < 2; ++i) {
      if (convgrad_status status = copy_operand(call_.op->role[i])) return status;
    }
    GpuCall gpu_call = {&call_, gpu_, nullptr, staged_[result()].place, call_.fill, CONVGRAD_OK, reason_};
    if (call_.kernel != nullptr) {
      ScratchStack scratch(nullptr, 0);
      CallContext context = {nullptr, &scratch, nullptr, 0, &gpu_call};
      const Place first[3] = {staged_[INPUT].place, staged_[FILTER].place, staged_[OUTPUT].place};
      if (const int error = launch(*call_.kernel, call_.normalized, first, &context)) {
        if (gpu_call.status != CONVGRAD_OK) return gpu_call.status;
        reason_->append("it failed with Halide's error %d", error);
        return CONVGRAD_INTERNAL;
      }
    }
    if (convgrad_status status = fill_result(&gpu_call)) return status;
    return copy_result();
  }

  // Device memory for what is not used where it lies.
  convgrad_status stage(Role role) {
    Staged &staged = staged_[role];
    const Tensor &given = tensor(role), seen = call_.seen(role);
    if (given.span == 0 || (call_.kernel == nullptr && role != result())) return CONVGRAD_OK;
    if (!is_host(role)) {
      staged.place = {reinterpret_cast<uintptr_t>(data_[role]), given.byte_offset};
      const bool aligned = driver_.kind != DeviceKind::CUDA || call_.kernel == nullptr ||
                           call_.kernel->fixed == 0 ||
                           (staged.place.memory + static_cast<uint64_t>(given.byte_offset)) % kVectorBytes == 0;
      if (aligned) return CONVGRAD_OK;
    }
    if (convgrad_status status = allocate_block(gpu_, static_cast<size_t>(seen.span), &staged.block, reason_)) {
      return status;
    }
    staged.place = {staged.block, 0};
    if (is_host(role) && call_.packed(role)) {
      staged.packed = static_cast<char *>(
          allocate(call_.settings.memory, static_cast<size_t>(seen.span), CONVGRAD_WORKSPACE_ALIGNMENT, reason_));
      if (staged.packed == nullptr) return CONVGRAD_OUT_OF_MEMORY;
    }
    return CONVGRAD_OK;
  }

  convgrad_status copy_operand(Role role) {
    const Staged &staged = staged_[role];
    const Tensor &given = tensor(role);
    if (staged.block == 0) return CONVGRAD_OK;
    const size_t bytes = static_cast<size_t>(call_.seen(role).span);
    if (!is_host(role)) {
      const Place from = {reinterpret_cast<uintptr_t>(data_[role]), given.byte_offset};
      return driver_.copy(gpu_, staged.place, from, bytes, reason_);
    }
    if (staged.packed == nullptr) return driver_.copy_in(gpu_, staged.place, host(role), bytes, reason_);
    const Runs from = runs(given);
    char *to = staged.packed;
    for_each_run(from, [&](int64_t offset) {
      memcpy(to, host(role) + offset, from.bytes);
      to += from.bytes;
      return 0;
    });
    return driver_.copy_in(gpu_, staged.place, staged.packed, bytes, reason_);
  }

  // From the block that stands for the result to the host, or to where it belongs on the device.
  convgrad_status copy_result() {
    const Staged &staged = staged_[result()];
    if (staged.block == 0) return CONVGRAD_OK;
    if (is_host(result())) {
      char *to = staged.packed != nullptr ? staged.packed : host(result());
      return driver_.copy_out(gpu_, to, staged.place, static_cast<size_t>(call_.seen(result()).span), reason_);
    }
    // What lies between the result's elements is not ours to write.
    const Runs to = runs(tensor(result()));
    const Place first = {reinterpret_cast<uintptr_t>(data_[result()]), tensor(result()).byte_offset};
    return for_each_run(to, [&](int64_t offset) {
      return driver_.copy(gpu_, {first.memory, first.offset + offset}, {staged.block, offset}, to.bytes, reason_);
    });
  }

  void unpack_result() {
    const char *from = staged_[result()].packed;
    if (from == nullptr) return;
    const Runs to = runs(tensor(result()));
    for_each_run(to, [&](int64_t offset) {
      memcpy(host(result()) + offset, from, to.bytes);
      from += to.bytes;
      return 0;
    });
  }

  const PreparedCall &call_;
  Gpu *gpu_;
  const Driver &driver_;
  Text *reason_;
  char *data_[3] = {};  // by Role, as staged_
  Staged staged_[3] = {};
  bool waits_ = false;
};

// That tensors in device memory are there and apart from the result, as far as the driver knows.
convgrad_status check_device_tensors(const PreparedCall &call, const void *const data[3]) {
  Gpu *gpu = call.settings.gpu;
  const Driver &driver = *gpu->device->driver;
  if (driver.locate == nullptr) return CONVGRAD_OK;
  DeviceRange range[3] = {};
  for (int i = 0; i < 3; ++i) {
    const Tensor &tensor = call.problem.tensor[call.op->role[i]];
    if (tensor.memory == CONVGRAD_HOST || tensor.span == 0) continue;
    Text reason;
    const Place place = {reinterpret_cast<uintptr_t>(data[i]), tensor.byte_offset};
    if (convgrad_status status = driver.locate(gpu, place, static_cast<uint64_t>(tensor.span), &range[i], &reason)) {
      return fail(status, "%s: %s has data %p and byte_offset %lld, %s", call.op->name, call.op->argument[i], data[i],
                  static_cast<long long>(tensor.byte_offset), reason.c_str());
    }
  }
  for (int i = 0; i < 2; ++i) {
    if (range[i].allocation == range[2].allocation && range[i].begin < range[2].end && range[2].begin < range[i].end) {
      return fail(CONVGRAD_INVALID_ARGUMENT,
                  "%s: %s (data %p, byte_offset %lld) overlaps %s (data %p, byte_offset %lld), expected a result apart "
                  "from its operands",
                  call.op->name, call.op->argument[2], data[2],
                  static_cast<long long>(call.problem.tensor[call.op->result()].byte_offset), call.op->argument[i],
                  data[i], static_cast<long long>(call.problem.tensor[call.op->role[i]].byte_offset));
    }
  }
  return CONVGRAD_OK;
}

convgrad_status run_entered(const PreparedCall &call, const void *const data[3], Text *reason) {
  Gpu *gpu = call.settings.gpu;
  if (convgrad_status status = gpu->device->driver->check(gpu, reason)) return status;
  convgrad_status status = Run(call, data, reason).run();
  // Blocks of other sizes may be what is in the way.
  if (status == CONVGRAD_OUT_OF_MEMORY && release_kept_blocks(gpu)) {
    reason->clear();
    status = Run(call, data, reason).run();
  }
  return status;
}

}  // namespace

convgrad_status fill_result(GpuCall *call) {
  if (!call->fill) return CONVGRAD_OK;
  call->fill = false;
  const PreparedCall &prepared = *call->prepared;
  const Tensor seen = prepared.seen(prepared.op->result());
  const Runs runs = runs_of(seen.size, seen.stride, dtype_size(prepared.problem.dtype));
  return for_each_run(runs, [&](int64_t offset) {
    const Place place = {call->result.memory, call->result.offset + offset};
    return call->gpu->device->driver->fill_zeros(call->gpu, place, runs.bytes, call->reason);
  });
}

convgrad_status run_on_gpu(const PreparedCall &call, const void *const data[3]) {
  Gpu *gpu = call.settings.gpu;
  const pid_t self = getpid();
  if (gpu->process != self) {
    return fail(CONVGRAD_UNSUPPORTED,
                "%s: the context's %s device was opened by process %d, which this one (%d) was forked from, and is "
                "not usable here",
                call.op->name, gpu->device->driver->name, static_cast<int>(gpu->process), static_cast<int>(self));
  }
  Text reason;
  convgrad_status status = gpu->device->driver->enter(gpu->device, &reason);
  if (status == CONVGRAD_OK) {
    status = check_device_tensors(call, data);
    if (status != CONVGRAD_OK) {
      gpu->device->driver->leave(gpu->device);
      return status;
    }
    status = run_entered(call, data, &reason);
    gpu->device->driver->leave(gpu->device);
  }
  if (status == CONVGRAD_OK) return status;
  return fail(status, "%s: kernel %s on %s: %s", call.op->name, call.kernel == nullptr ? "none" : call.kernel->name,
              gpu->device->name, reason.c_str());
}

}  // namespace convgrad
