// The loops behind measure_fma_peak(), each in a file of its own, compiled for its instruction set.
// Each does `rounds` times its constant number of multiply-adds and returns a sum that depends on all of them.
#pragma once

#include <cstdint>

struct FmaLoop {
  double flops_per_round;
  float (*run)(int64_t rounds);
};

extern const FmaLoop kFmaLoopSse41, kFmaLoopAvx2, kFmaLoopAvx512;
