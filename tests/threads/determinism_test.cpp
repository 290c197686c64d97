// The same bits for any number of threads, whoever owns them, and from run to run, on data whose sums do round.
#include <gtest/gtest.h>

#include <cmath>

#include "support/float_state.h"
#include "support/kernel_fixture.h"
#include "threads/shuffled_pool.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kShapes = {
    "all n4 h17 w19 c40 k50 fixed pSAME",
    "all n6 h14 w15 c70 k65 fixed pSAME",
    "all n33 h6 w6 c16 k16 fixed pSAME",
    "all n3 h10 w9 c60 k150 fixed pSAME",
    "all n9 h6 w6 c130 k5 fixed pSAME",
    "all n1 h1 w300 c9 k11 r1x1",
    // Cut into slices where a kernel has fewer tasks than there are threads: of the batch, of rows, of columns.
    "all n4 h6 w8 c66 k70 fixed pSAME",
    "all n1 h16 w9 c40 k70 fixed pSAME",
    "all n1 h1 w900 c60 k70 r1x1",
    "all n4 h16 w16 c90 k90 fixed pSAME",
    // The last rows are of no phase that has taps.
    "conv2d_backprop_input n1 h41 w20 c70 k64 r2x5 s3x2",
    "conv2d_backprop_filter n2 h65 w70 c8 k12 fixed pSAME",
    "all n3 h12 w11 c7 k5 r5x4 s2x1 d1x2",
    "all n3 h9 w8 c12 k9 g3 r3x3 pSAME NCHW",
    // Affordable under an emulator, whatever the filter.
    "all n5 h6 w6 c17 k18 fixed pSAME",
    "all n2 h6 w6 c130 k5 fixed pSAME",
};
constexpr uint64_t kSeed = 11;
constexpr int kThreads[] = {1, 2, 3, 5, 16, 64};

class Determinism : public KernelTest {};

TEST_P(Determinism, SameBits) {
  int accepted = 0;
  uint64_t injected_calls = 0;
  int64_t most_tasks = 0;
  for (const Problem &problem : mine(expand_all(kShapes))) {
    const Layouts layouts = layouts_of(problem);
    const std::vector<double> first = random_reals(layouts.first.size(), 2 * kSeed, problem.dtype);
    const std::vector<double> second = random_reals(layouts.second.size(), 2 * kSeed + 1, problem.dtype);
    Outcome outcome;
    if (!run(problem, first, second, &outcome)) continue;
    ++accepted;
    ASSERT_EQ(outcome.status, CONVGRAD_OK) << outcome.message;
    const std::vector<double> expected = outcome.result;
    for (const int threads : kThreads) {
      if (threads > 2 && device_of(kernel()) != "cpu") break;  // a GPU has threads of its own
      if (test_options().brief && threads != 1 && threads != 3 && threads != 64) continue;
      const Repro repro = {&problem, kernel().name, kSeed, threads};
      for (int again = test_options().brief ? 1 : 0; again < 2; ++again) {
        ASSERT_TRUE(run(problem, first, second, &outcome, {}, threads));
        ASSERT_TRUE(same_bits(outcome, expected, repro)) << threads << " threads of the library";
      }
      ShuffledPool pool(static_cast<uint64_t>(threads));
      convgrad_context_options options = convgrad_context_options_default();
      options.kernel = kernel().name;
      options.num_threads = threads;
      options.parallel_for = ShuffledPool::parallel_for;
      options.pool = &pool;
      const Context injected = make_context(options);
      ASSERT_NE(injected, nullptr) << convgrad_last_error();
      ASSERT_TRUE(same_bits(runner().run(injected.get(), problem, first, second), expected, repro))
          << threads << " threads of the application";
      EXPECT_LE(pool.most_tasks(), threads);
      EXPECT_FALSE(pool.nested());
      injected_calls += pool.calls();
      most_tasks = std::max(most_tasks, pool.most_tasks());
    }
  }
  EXPECT_GE(accepted, 2);
  if (device_of(kernel()) != "cpu") return;  // a GPU has threads of its own
  // Otherwise nothing was shared out, and the comparison would be one of serial runs.
  EXPECT_GT(injected_calls, 0u) << "no run used the application's threads";
  EXPECT_GT(most_tasks, 1);
}

// As the shuffled pool, but every task's thread is in the mode in which threads begin, whatever its maker's.
void default_mode_parallel_for(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
  const ScopedFloatMode scoped(0);
  ShuffledPool::parallel_for(pool, task, arg, count);
}

const std::vector<std::string> kModeShapes = {
    "all n9 h11 w9 c20 k24 fixed pSAME",
    "all n3 h12 w11 c7 k5 r5x4 s2x1 d1x2",
    "all n5 h6 w6 c17 k18 fixed pSAME",
    // In slices, and in parts.
    "all n4 h16 w16 c90 k90 fixed pSAME",
    "conv2d_backprop_filter n2 h65 w70 c8 k12 fixed pSAME",
};

// Of numbers of which some are so small that modes take them for zero, and whose products round.
TEST_P(Determinism, SameBitsInTheCallersFloatingPointMode) {
  if (device_of(kernel()) != "cpu") GTEST_SKIP() << "a GPU knows nothing of its caller's mode";
  constexpr int kFour = 4;
  ShuffledPool pool(kSeed);
  convgrad_context_options options = convgrad_context_options_default();
  options.kernel = kernel().name;
  options.num_threads = kFour;
  options.parallel_for = default_mode_parallel_for;
  options.pool = &pool;
  const Context injected = make_context(options);
  ASSERT_NE(injected, nullptr) << convgrad_last_error();
  context(kFour);  // its threads begin in the default mode
  int accepted = 0;
  // Below the smallest normal number, and well above it.
  const int smallest = kernel().dtype == CONVGRAD_FLOAT64 ? std::numeric_limits<double>::min_exponent
                                                          : std::numeric_limits<float>::min_exponent;
  for (const Problem &problem : mine(expand_all(kModeShapes))) {
    const Layouts layouts = layouts_of(problem);
    const std::vector<double> first = random_reals(layouts.first.size(), 3 * kSeed, problem.dtype);
    std::vector<double> second = random_reals(layouts.second.size(), 3 * kSeed + 1, problem.dtype);
    // Few, for CPUs take their time for each.
    for (size_t i = 0; i < second.size(); ++i) {
      second[i] = rounded(problem.dtype, std::ldexp(second[i], smallest + (i % 251 == 0 ? -2 : 13)));
    }
    const auto run_in = [&](uint64_t mode, const convgrad_context *with) {
      RunOptions options;
      options.float_mode = mode;
      return runner().run(with, problem, first, second, options);
    };
    const Outcome plain = run_in(0, context(1));
    if (plain.status == CONVGRAD_UNSUPPORTED) continue;
    ++accepted;
    for (const uint64_t mode : {kFlushSubnormals, kRoundUp}) {
      const Outcome alone = run_in(mode, context(1));
      ASSERT_EQ(alone.status, CONVGRAD_OK) << alone.message;
      EXPECT_FALSE(same_bits(plain, alone.result, {&problem, kernel().name, kSeed, 1})) << "the mode is of no effect";
      const Repro repro = {&problem, kernel().name, kSeed, kFour};
      ASSERT_TRUE(same_bits(run_in(mode, context(kFour)), alone.result, repro)) << "threads of the library";
      ASSERT_TRUE(same_bits(run_in(mode, injected.get()), alone.result, repro)) << "threads of the application";
      tally().problems += 3;
    }
  }
  EXPECT_GE(accepted, 1);
}

CONVGRAD_INSTANTIATE_PER_KERNEL(Determinism);

}  // namespace
}  // namespace convgrad::test
