#include "families/gpu_filter_generic.h"

#include "generators/backprop_filter.h"

HALIDE_REGISTER_GENERATOR(convgrad::BackpropFilter<convgrad::GpuFilterGeneric>,
                          conv2d_backprop_filter_gpu_filter_generic)
