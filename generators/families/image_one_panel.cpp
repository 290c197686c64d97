#include "families/image_one_panel.h"

#include "generators/backprop_input.h"
#include "generators/conv2d.h"

HALIDE_REGISTER_GENERATOR(convgrad::Conv2d<convgrad::ImageOnePanel>, conv2d_image_one_panel)
HALIDE_REGISTER_GENERATOR(convgrad::BackpropInput<convgrad::ImageOnePanel>, conv2d_backprop_input_image_one_panel)
