#include "context.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "build_targets.h"
#include "gpu/gpu.h"
#include "kernel_list.h"
#include "last_error.h"
#include "os/cpus.h"
#include "os/environment.h"
#include "os/no_cancellation.h"
#include "targets.h"
#include "validate.h"

namespace convgrad {
namespace {

constexpr int kMaxThreads = 1024;

convgrad_status read_flag(const char *variable, bool *flag) {
  const char *value = environment(variable);
  if (value == nullptr) return CONVGRAD_OK;
  if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "context_create: the environment's %s is \"%s\", expected 0 or 1", variable,
                value);
  }
  *flag = value[0] == '1';
  return CONVGRAD_OK;
}

convgrad_status choose_threads(const convgrad_context_options &options, int32_t *num_threads) {
  if (options.num_threads < 0 || options.num_threads > kMaxThreads) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "context_create: options.num_threads is %d, expected 0 to %d",
                options.num_threads, kMaxThreads);
  }
  *num_threads = options.num_threads;
  if (*num_threads != 0) return CONVGRAD_OK;
  const char *value = environment("CONVGRAD_NUM_THREADS");
  if (value == nullptr) {
    *num_threads = std::clamp(cpus_of_process().count(), 1, kMaxThreads);
    return CONVGRAD_OK;
  }
  char *end;
  errno = 0;
  const long number = strtol(value, &end, 10);
  if (*end != '\0' || errno != 0 || number < 1 || number > kMaxThreads) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "context_create: the environment's CONVGRAD_NUM_THREADS is \"%s\", expected 1 to %d", value,
                kMaxThreads);
  }
  *num_threads = static_cast<int32_t>(number);
  return CONVGRAD_OK;
}

convgrad_status check_usable(const char *what, const char *name, const Target &target) {
  Text reason;
  if (usable(target, this_machine(), &reason)) return CONVGRAD_OK;
  return fail(CONVGRAD_UNSUPPORTED, "context_create: %s is \"%s\", but %s", what, name, reason.c_str());
}

// Opens the device of a GPU target. `any`: of the best target of that kind that has one; CPU: of the choice's.
convgrad_status open_device(const convgrad_context_options &options, const char *what, const char *name, DeviceKind any,
                            Choice *choice, Gpu **gpu) {
  if (choice->target == nullptr || choice->target->device == DeviceKind::CPU) {
    if (options.device == nullptr && options.queue == nullptr) return CONVGRAD_OK;
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "context_create: options.%s is %p, expected NULL because the context's target is a CPU, not a GPU "
                "asked for by name",
                options.device != nullptr ? "device" : "queue",
                options.device != nullptr ? options.device : options.queue);
  }
  Text reason;
  convgrad_status status = CONVGRAD_UNSUPPORTED;
  if constexpr (kHasGpu) {
    for (size_t i = 1; status == CONVGRAD_UNSUPPORTED && choice->target != nullptr; ++i) {
      reason.clear();
      status = open_gpu(*choice->target, options.device, options.queue, gpu, &reason);
      if (status == CONVGRAD_UNSUPPORTED) choice->target = any == DeviceKind::CPU ? nullptr : target_of_device(any, i);
    }
  }
  if (status == CONVGRAD_OK) return status;
  return fail(status, "context_create: %s is \"%s\", but %s", what, name, reason.c_str());
}

convgrad_status choose_target(const convgrad_context_options &options, Choice *choice, Gpu **gpu) {
  const char *name = options.target;
  const char *what = "options.target";
  if (name == nullptr && options.kernel == nullptr) {
    name = environment("CONVGRAD_TARGET");
    what = "the environment's CONVGRAD_TARGET";
  }
  DeviceKind any = DeviceKind::CPU;  // whose targets are all meant by the name
  if (name != nullptr) {
    any = device_named(name);
    choice->target = any == DeviceKind::CPU ? find_target(name) : target_of_device(any, 0);
    if (choice->target == nullptr) {
      return fail(CONVGRAD_INVALID_ARGUMENT, "context_create: %s is \"%s\", expected a target of this build: %s", what,
                  name, target_names().c_str());
    }
    if (convgrad_status status = check_usable(what, name, *choice->target)) return status;
  }
  if (options.kernel == nullptr) return open_device(options, what, name, any, choice, gpu);

  const ListedKernel *kernel = find_kernel(options.kernel);
  if (kernel == nullptr) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "context_create: options.kernel is \"%s\", expected the name of a kernel of this build "
                "(convgrad_kernel_at lists them)",
                options.kernel);
  }
  const bool fits = any == DeviceKind::CPU ? choice->target == nullptr || choice->target == kernel->target
                                           : any == kernel->target->device;
  if (!fits) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "context_create: options.kernel is \"%s\", a kernel of target %s, expected one of options.target, %s",
                kernel->name, kernel->target->name, name);
  }
  if (choice->strict && !kernel->strict) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "context_create: options.kernel is \"%s\", expected a direct kernel because strict is asked for",
                kernel->name);
  }
  choice->kernel = kernel->name;
  if (kernel->target->device != DeviceKind::CPU) choice->target = kernel->target;
  if (convgrad_status status = check_usable("options.kernel", kernel->name, *kernel->target)) return status;
  return open_device(options, "options.kernel", kernel->name, DeviceKind::CPU, choice, gpu);
}

convgrad_status read_options(const convgrad_context_options *given, convgrad_context_options *options) {
  *options = convgrad_context_options_default();
  if (given == nullptr) return CONVGRAD_OK;
  static const size_t kBoundaries[] = {
      offsetof(convgrad_context_options, num_threads),  offsetof(convgrad_context_options, strict),
      offsetof(convgrad_context_options, target),       offsetof(convgrad_context_options, kernel),
      offsetof(convgrad_context_options, parallel_for), offsetof(convgrad_context_options, pool),
      offsetof(convgrad_context_options, allocate),     offsetof(convgrad_context_options, release),
      offsetof(convgrad_context_options, memory),       offsetof(convgrad_context_options, device),
      offsetof(convgrad_context_options, queue),        sizeof(convgrad_context_options)};
  if (!is_struct_size(given->struct_size, kBoundaries, sizeof kBoundaries / sizeof kBoundaries[0])) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "context_create: options.struct_size is %zu, expected sizeof(convgrad_context_options) of this or an "
                "earlier version (%zu here)",
                given->struct_size, sizeof(convgrad_context_options));
  }
  memcpy(options, given, given->struct_size);
  if (options->strict != 0 && options->strict != 1) {
    return fail(CONVGRAD_INVALID_ARGUMENT, "context_create: options.strict is %d, expected 0 or 1", options->strict);
  }
  if ((options->allocate == nullptr) != (options->release == nullptr)) {
    return fail(CONVGRAD_INVALID_ARGUMENT,
                "context_create: options.%s is NULL, expected both allocate and release, or neither",
                options->allocate == nullptr ? "allocate" : "release");
  }
  return CONVGRAD_OK;
}

convgrad_status create_context(const convgrad_context_options *given, convgrad_context **context) {
  convgrad_context_options options;
  if (convgrad_status status = read_options(given, &options)) return status;
  Settings settings = {};
  settings.choice.strict = options.strict == 1;
  if (!settings.choice.strict) {
    if (convgrad_status status = read_flag("CONVGRAD_STRICT", &settings.choice.strict)) return status;
  }
  if (convgrad_status status = read_flag("CONVGRAD_VERBOSE", &settings.verbose)) return status;
  if (convgrad_status status = choose_threads(options, &settings.parallel.num_threads)) return status;
  settings.memory = {options.allocate, options.release, options.memory};
  if (convgrad_status status = choose_target(options, &settings.choice, &settings.gpu)) return status;

  Text reason;
  void *block = allocate(settings.memory, sizeof(convgrad_context), alignof(convgrad_context), &reason);
  if (settings.gpu != nullptr) {
    // A GPU has threads of its own.
  } else if (block != nullptr && options.parallel_for != nullptr) {
    settings.parallel.parallel_for = options.parallel_for;
    settings.parallel.pool = options.pool;
  } else if (block != nullptr && settings.parallel.num_threads > 1) {
    settings.threads = create_thread_pool(settings.memory, settings.parallel.num_threads - 1, &reason);
    settings.parallel.parallel_for = thread_pool_parallel_for;
    settings.parallel.pool = settings.threads;
    if (settings.threads == nullptr) {
      release(settings.memory, block);
      block = nullptr;
    }
  }
  if (block == nullptr) {
    release(settings);
    return fail(CONVGRAD_OUT_OF_MEMORY, "context_create: %s of a context and its threads", reason.c_str());
  }
  *context = new (block) convgrad_context{settings};
  return CONVGRAD_OK;
}

}  // namespace

void retain(const Settings &settings) {
  retain_thread_pool(settings.threads);
  if constexpr (kHasGpu) retain_gpu(settings.gpu);
}

void release(const Settings &settings) {
  release_thread_pool(settings.threads);
  if constexpr (kHasGpu) release_gpu(settings.gpu);
}

}  // namespace convgrad

convgrad_status convgrad_context_create(const convgrad_context_options *options, convgrad_context **context) {
  using namespace convgrad;
  const NoCancellation scope;
  if (context == nullptr) return fail(CONVGRAD_INVALID_ARGUMENT, "context_create: context is NULL");
  *context = nullptr;
  return create_context(options, context);
}

void convgrad_context_destroy(convgrad_context *context) {
  if (context == nullptr) return;
  const convgrad::NoCancellation scope;
  const convgrad::Settings settings = context->settings;
  context->~convgrad_context();
  convgrad::release(settings.memory, context);
  convgrad::release(settings);
}
