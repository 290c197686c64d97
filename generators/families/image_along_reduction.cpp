#include "families/image_along_reduction.h"

#include "generators/backprop_input.h"

HALIDE_REGISTER_GENERATOR(convgrad::BackpropInput<convgrad::ImageAlongReduction>,
                          conv2d_backprop_input_image_along_reduction)
