#include "gpu/driver_hooks.h"

extern "C" {

void *__real_dlopen(const char *file, int flags);
void *__real_dlsym(void *handle, const char *name);

void *__wrap_dlopen(const char *file, int flags) {
  const auto &libraries = convgrad::test::driver_hooks().libraries;
  const auto found = libraries.find(file == nullptr ? "" : file);
  if (found == libraries.end()) return __real_dlopen(file, flags);
  // A failure has dlerror's text.
  return found->second != nullptr ? found->second : __real_dlopen((std::string(file) + ".is_not_here").c_str(), flags);
}

void *__wrap_dlsym(void *handle, const char *name) {
  auto &hooks = convgrad::test::driver_hooks();
  const auto found = hooks.functions.find(name);
  if (found == hooks.functions.end()) return __real_dlsym(handle, name);
  bool fake = false;
  for (const auto &[file, library] : hooks.libraries) fake = fake || library == handle;
  if (!fake) hooks.real[name] = __real_dlsym(handle, name);
  return found->second;
}

}  // extern "C"

namespace convgrad::test {

DriverHooks &driver_hooks() {
  static DriverHooks hooks;
  return hooks;
}

}  // namespace convgrad::test
