#include "families/gpu_filter_direct.h"

#include "generators/backprop_filter.h"

HALIDE_REGISTER_GENERATOR(convgrad::BackpropFilter<convgrad::GpuFilterDirect>, conv2d_backprop_filter_gpu_filter_direct)
