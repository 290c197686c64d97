#include "fma_peak.h"

#include <algorithm>
#include <chrono>

#include "fma_peak_loops.h"

namespace {

const FmaLoop *loop_for(const std::string &target) {
#if defined(DEMO_X86_64)
  if (target == "x86_64_sse41") return &kFmaLoopSse41;
  if (target == "x86_64_avx2") return &kFmaLoopAvx2;
  if (target == "x86_64_avx512") return &kFmaLoopAvx512;
#endif
  (void)target;
  return nullptr;
}

}  // namespace

double measure_fma_peak(const std::string &target) {
  using Clock = std::chrono::steady_clock;
  const FmaLoop *loop = loop_for(target);
  if (loop == nullptr) return 0;
  constexpr int64_t kRounds = 400000;  // about 1 ms, as long as a small layer: a blip of the clock counts for neither
  volatile float sink = loop->run(kRounds / 8);  // warms up
  double peak = 0;
  for (int burst = 0; burst < 4; ++burst) {
    const auto start = Clock::now();
    sink = loop->run(kRounds);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    peak = std::max(peak, loop->flops_per_round * kRounds / seconds * 1e-9);
  }
  (void)sink;
  return peak;
}
