#include "fma_peak.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "fma_peak_loops.h"

namespace {

const FmaLoops *loops_for(const std::string &target) {
#if defined(BENCHMARKS_X86_64)
  if (target == "x86_64_sse41") return &kFmaLoopsSse41;
  if (target == "x86_64_avx2") return &kFmaLoopsAvx2;
  if (target == "x86_64_avx512") return &kFmaLoopsAvx512;
#endif
  (void)target;
  return nullptr;
}

}  // namespace

double measure_fma_peak(const std::string &target, convgrad_dtype dtype, int threads) {
  using Clock = std::chrono::steady_clock;
  const FmaLoops *loops = loops_for(target);
  if (loops == nullptr || (dtype != CONVGRAD_FLOAT32 && dtype != CONVGRAD_FLOAT64)) return 0;
  const FmaLoop &loop = dtype == CONVGRAD_FLOAT32 ? loops->of_floats : loops->of_doubles;
  constexpr int64_t kRounds = 400000;  // about 1 ms, as long as a small layer: a blip of the clock counts for neither
  constexpr int kBursts = 4;
  std::vector<std::array<double, kBursts>> rates(static_cast<size_t>(threads));
  std::atomic<int> arrived{0};
  auto work = [&](int thread) {
    volatile double sink = loop.run(kRounds / 8);  // warms up
    for (int burst = 0; burst < kBursts; ++burst) {
      ++arrived;
      while (arrived.load() < threads * (burst + 1)) std::this_thread::yield();
      const auto start = Clock::now();
      sink = loop.run(kRounds);
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      rates[static_cast<size_t>(thread)][static_cast<size_t>(burst)] = loop.flops_per_round * kRounds / seconds * 1e-9;
    }
    (void)sink;
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
  work(0);
  for (std::thread &other : others) other.join();
  double peak = 0;
  for (size_t burst = 0; burst < kBursts; ++burst) {
    double all = 0;
    for (const auto &thread : rates) all += thread[burst];
    peak = std::max(peak, all);
  }
  return peak;
}
