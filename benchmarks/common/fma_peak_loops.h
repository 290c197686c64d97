// The loops behind measure_fma_peak(), compiled once for each instruction set, whose file includes this one.
// Each does `rounds` times its constant number of multiply-adds and returns a sum that depends on all of them.
#pragma once

#include <cstdint>

struct FmaLoop {
  double flops_per_round;
  double (*run)(int64_t rounds);
};

// Of an instruction set.
struct FmaLoops {
  FmaLoop of_floats, of_doubles;
};

extern const FmaLoops kFmaLoopsSse41, kFmaLoopsAvx2, kFmaLoopsAvx512;

namespace {  // a function of its own in each file: they are not the same code

// kChains independent ones: enough to hide the latency of two units, few enough to stay in registers. Products and sums
// become one instruction where there is one for both: the files are compiled with -ffp-contract=fast.
template <typename T, int kVectorBytes, int kChains>
double run_chains(int64_t rounds) {
  typedef T Vector __attribute__((vector_size(kVectorBytes)));
  volatile T half = 0.5;  // unknown to the compiler, which else folds a chain that stays at its fixed point
  const Vector factor = Vector{} + half, term = Vector{} + half;
  Vector chain[kChains];
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) chain[i] = Vector{} + static_cast<T>(i);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) chain[i] = chain[i] * factor + term;
  }
  Vector sum = chain[0];
#pragma GCC unroll 24
  for (int i = 1; i < kChains; ++i) sum += chain[i];
  return static_cast<double>(sum[0]) + static_cast<double>(sum[kVectorBytes / sizeof(T) - 1]);
}

template <typename T, int kVectorBytes, int kChains>
constexpr FmaLoop loop_of() {
  return {2.0 * kChains * kVectorBytes / sizeof(T), run_chains<T, kVectorBytes, kChains>};
}

template <int kVectorBytes, int kChains>
constexpr FmaLoops loops_of() {
  return {loop_of<float, kVectorBytes, kChains>(), loop_of<double, kVectorBytes, kChains>()};
}

}  // namespace
