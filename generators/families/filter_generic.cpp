#include "families/filter_generic.h"

#include "generators/backprop_filter.h"

HALIDE_REGISTER_GENERATOR(convgrad::BackpropFilter<convgrad::FilterGeneric>, conv2d_backprop_filter_filter_generic)
