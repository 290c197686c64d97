#include "families/gpu_image_generic.h"

#include "generators/backprop_input.h"
#include "generators/conv2d.h"

HALIDE_REGISTER_GENERATOR(convgrad::Conv2d<convgrad::GpuImageGeneric>, conv2d_gpu_image_generic)
HALIDE_REGISTER_GENERATOR(convgrad::BackpropInput<convgrad::GpuImageGeneric>, conv2d_backprop_input_gpu_image_generic)
