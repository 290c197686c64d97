#include "os/environment.h"

#include <cstdlib>

namespace convgrad {

const char *environment(const char *variable) {
  const char *value = getenv(variable);
  return value == nullptr || value[0] == '\0' ? nullptr : value;
}

}  // namespace convgrad
