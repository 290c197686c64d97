#include "families/filter_direct.h"

#include "generators/backprop_filter.h"

HALIDE_REGISTER_GENERATOR(convgrad::BackpropFilter<convgrad::FilterDirect>, conv2d_backprop_filter_filter_direct)
