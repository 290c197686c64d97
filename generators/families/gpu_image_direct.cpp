#include "families/gpu_image_direct.h"

#include "generators/backprop_input.h"
#include "generators/conv2d.h"

HALIDE_REGISTER_GENERATOR(convgrad::Conv2d<convgrad::GpuImageDirect>, conv2d_gpu_image_direct)
HALIDE_REGISTER_GENERATOR(convgrad::BackpropInput<convgrad::GpuImageDirect>, conv2d_backprop_input_gpu_image_direct)
