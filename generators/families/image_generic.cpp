#include "families/image_generic.h"

#include "generators/backprop_input.h"
#include "generators/conv2d.h"

HALIDE_REGISTER_GENERATOR(convgrad::Conv2d<convgrad::ImageGeneric>, conv2d_image_generic)
HALIDE_REGISTER_GENERATOR(convgrad::BackpropInput<convgrad::ImageGeneric>, conv2d_backprop_input_image_generic)
