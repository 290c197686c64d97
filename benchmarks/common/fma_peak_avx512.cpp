// AVX-512.
#include <immintrin.h>

#include "fma_peak_loops.h"

namespace {

// Enough independent chains to hide the latency of two units, few enough to stay in registers.
constexpr int kChains = 24;
constexpr int kLanes = 16;

float run(int64_t rounds) {
  volatile float half = 0.5f;  // unknown to the compiler, which else folds a chain that stays at its fixed point
  const __m512 factor = _mm512_set1_ps(half), term = _mm512_set1_ps(half);
  __m512 chain[kChains];
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) chain[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) chain[i] = _mm512_fmadd_ps(chain[i], factor, term);
  }
  __m512 sum = chain[0];
#pragma GCC unroll 24
  for (int i = 1; i < kChains; ++i) sum = _mm512_add_ps(sum, chain[i]);
  alignas(64) float lanes[kLanes];
  _mm512_store_ps(lanes, sum);
  return lanes[0] + lanes[kLanes - 1];
}

}  // namespace

const FmaLoop kFmaLoopAvx512 = {2.0 * kChains * kLanes, run};
