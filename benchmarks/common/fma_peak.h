// What this machine can do at most: multiply-adds on registers alone, in the instruction set of a target.
#pragma once

#include <convgrad/convgrad.h>

#include <string>

// GFLOP/s of the best of a few short bursts (about 4 ms in all) of so many threads at once, which may share a core, in
// the instruction set and the element type of kernels of `target`. 0 where there is no loop for these.
double measure_fma_peak(const std::string &target, convgrad_dtype dtype, int threads);
