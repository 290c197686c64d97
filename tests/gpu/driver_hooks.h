// Functions of a driver that a test puts in the place of the library's: the linker's --wrap sends the runtime's dlopen
// and dlsym here (tests/gpu/CMakeLists.txt), and only the runtime's.
#ifndef CONVGRAD_TESTS_GPU_DRIVER_HOOKS_H
#define CONVGRAD_TESTS_GPU_DRIVER_HOOKS_H

#include <map>
#include <string>

namespace convgrad::test {

struct DriverHooks {
  // What dlopen answers for a file: a handle, or NULL for "not found". Others are opened.
  std::map<std::string, void *> libraries;
  // By name: what dlsym answers. Others are looked up.
  std::map<std::string, void *> functions;
  // What the lookups of the names above found.
  std::map<std::string, void *> real;
};
DriverHooks &driver_hooks();

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_GPU_DRIVER_HOOKS_H
