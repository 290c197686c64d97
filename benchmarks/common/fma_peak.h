// What this machine can do at most: multiply-adds on registers alone, in the instruction set of a target.
#pragma once

#include <string>

// GFLOP/s of the best of a few short bursts (about 4 ms in all) of so many threads at once, which may share a core, in
// the instruction set that kernels of `target` use. 0 where there is no loop for that target.
double measure_fma_peak(const std::string &target, int threads);
