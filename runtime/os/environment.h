// The process's environment.
#ifndef CONVGRAD_RUNTIME_OS_ENVIRONMENT_H
#define CONVGRAD_RUNTIME_OS_ENVIRONMENT_H

namespace convgrad {

// NULL where the variable is not set, or empty.
const char *environment(const char *variable);

}  // namespace convgrad

#endif
