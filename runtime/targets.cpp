#include "targets.h"

#include <cstring>

#include "build_targets.h"
#include "hardware.h"

namespace convgrad {

#define CONVGRAD_TARGET(name, priority, features) const Target target_##name = {#name, priority, features};
#include "targets.inc"
#undef CONVGRAD_TARGET

namespace {

constexpr const Target *kTargets[] = {
#define CONVGRAD_TARGET(name, priority, features) &target_##name,
#include "targets.inc"
#undef CONVGRAD_TARGET
};

}  // namespace

const Target *find_target(const char *name) {
  for (const Target *target : kTargets) {
    if (strcmp(target->name, name) == 0) return target;
  }
  return nullptr;
}

Text target_names() {
  Text text;
  for (const Target *target : kTargets) text.append("%s%s", text.empty() ? "" : ", ", target->name);
  return text;
}

}  // namespace convgrad
