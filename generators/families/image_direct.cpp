#include "families/image_direct.h"

#include "generators/backprop_input.h"
#include "generators/conv2d.h"

HALIDE_REGISTER_GENERATOR(convgrad::Conv2d<convgrad::ImageDirect>, conv2d_image_direct)
HALIDE_REGISTER_GENERATOR(convgrad::BackpropInput<convgrad::ImageDirect>, conv2d_backprop_input_image_direct)
