#include "families/filter_along_input.h"

#include "generators/backprop_filter.h"

HALIDE_REGISTER_GENERATOR(convgrad::BackpropFilter<convgrad::FilterAlongInput>,
                          conv2d_backprop_filter_filter_along_input)
