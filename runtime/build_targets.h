// One constant a target of this build: target_x86_64_avx2 and so on.
#ifndef CONVGRAD_RUNTIME_BUILD_TARGETS_H
#define CONVGRAD_RUNTIME_BUILD_TARGETS_H

#include "targets.h"

namespace convgrad {

#define CONVGRAD_TARGET(name, priority, features) extern const Target target_##name;
#include "targets.inc"
#undef CONVGRAD_TARGET

}  // namespace convgrad

#endif
