#include "gpu/halide_hooks.h"

CONVGRAD_HALIDE_DEVICE_HOOKS(cuda)
