// Random problems, kernels, threads and layouts for a time, and the way to run a failed one again:
//   test_fuzz --seconds 20 --seed 1
//   test_fuzz --problem "conv2d n1 h5 w5 c1 r3x3 k1" --seed 7 --threads 2 --kernel <name>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <utility>

#include "support/run.h"

namespace convgrad::test {
namespace {

constexpr int64_t kMaxMultiplyAdds = 1500000;
constexpr int64_t kMaxElements = 200000;

// Whether a kernel's int32 coordinates may not suffice.
bool is_far_apart(const Problem &p) {
  return std::max({p.strides[0], p.strides[1], p.dilations[0], p.dilations[1]}) > 4096;
}

class Fuzzer {
 public:
  explicit Fuzzer(uint64_t seed) : random_(seed) {}

  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool one_in(int64_t n) { return between(1, n) == 1; }
  uint64_t next_seed() { return random_() >> 40; }

  Problem problem() {
    while (true) {
      const Problem candidate = any_problem();
      if (!is_defined(candidate) || multiply_adds(candidate) > kMaxMultiplyAdds) continue;
      const Layouts layouts = layouts_of(candidate);
      if (std::max({layouts.first.span(), layouts.second.span(), layouts.result.span()}) <= kMaxElements) {
        return candidate;
      }
    }
  }

 private:
  // Small more often than large, with sizes around the widths of vectors and tiles.
  int64_t size(int64_t most) {
    switch (between(0, 3)) {
      case 0:
        return between(1, std::min<int64_t>(most, 4));
      case 1:
        return between(1, std::min<int64_t>(most, 20));
      case 2:
        return std::clamp<int64_t>(8 * between(1, 8) + between(-1, 1), 1, most);
      default:
        return between(1, most);
    }
  }

  int64_t filter_size() { return one_in(2) ? between(1, 3) : between(0, 7); }

  int64_t step() { return one_in(4) ? between(1, 6) : between(1, 2); }

  Problem any_problem() {
    Problem p;
    p.op = static_cast<convgrad_op>(between(0, 2));
    const std::vector<convgrad_dtype> dtypes = all_dtypes();
    p.dtype = dtypes[static_cast<size_t>(between(0, static_cast<int64_t>(dtypes.size()) - 1))];
    p.batch = one_in(40) ? 0 : between(1, 5);
    p.in_height = one_in(60) ? 0 : size(40);
    p.in_width = one_in(60) ? 0 : size(80);
    p.groups = one_in(5) ? between(2, 8) : 1;
    p.in_channels = size(p.groups == 1 ? 140 : 20) * p.groups;
    p.out_channels = (one_in(60) ? 0 : size(p.groups == 1 ? 140 : 20)) * p.groups;
    const std::vector<FixedFilter> &fixed = fixed_filters();
    if (!fixed.empty() && !one_in(4)) {
      const FixedFilter &one = fixed[static_cast<size_t>(between(0, static_cast<int64_t>(fixed.size()) - 1))];
      p.filter_height = one.filter[0];
      p.filter_width = one.filter[1];
      p.strides = one.stride;
    } else {
      p.filter_height = filter_size();
      p.filter_width = one_in(3) ? filter_size() : p.filter_height;
      p.strides[0] = step();
      p.strides[1] = one_in(3) ? step() : p.strides[0];
    }
    if (one_in(4)) p.dilations = {between(1, 4), between(1, 4)};
    if (one_in(100)) p.dilations[static_cast<size_t>(between(0, 1))] = int64_t{1} << between(20, 35);
    p.padding = static_cast<convgrad_padding>(between(0, 2));
    if (p.padding == CONVGRAD_EXPLICIT) {
      for (int64_t &pad : p.explicit_paddings) pad = one_in(6) ? between(0, 12) : between(0, 2);
    }
    if (one_in(12)) far_apart(&p);
    if (one_in(4)) p.data_format = CONVGRAD_NCHW;
    if (one_in(8)) p.gap = between(1, 9);
    if (one_in(16)) p.spread = between(2, 3);
    return p;
  }

  // Large strides, dilations and paddings that are multiples of one number: every tap and position still meets the
  // image, so nothing can be dropped, and coordinates come close to what an int32 holds.
  void far_apart(Problem *p) {
    const auto axis = static_cast<size_t>(between(0, 1));
    const int64_t step = (int64_t{1} << between(4, 28)) / between(1, 3) + between(-1, 1);
    (axis == 0 ? p->filter_height : p->filter_width) = between(1, 5);
    p->strides[axis] = step * between(1, 2);
    p->dilations[axis] = step * between(1, 2);
    p->padding = CONVGRAD_EXPLICIT;
    p->explicit_paddings = {0, 0, 0, 0};
    for (size_t i = 0; i < 2; ++i) {
      p->explicit_paddings[2 * axis + i] = step * between(0, 6) + (one_in(3) ? between(0, 3) : 0);
    }
  }

  std::mt19937_64 random_;
};

void one_problem(const TestOptions &options) {
  std::string error;
  const std::optional<Problem> problem = parse_problem(options.problem, &error);
  ASSERT_TRUE(problem) << error;
  ASSERT_TRUE(is_defined(*problem)) << options.problem;
  const Context context = make_context(options.kernel, options.num_threads);
  ASSERT_NE(context, nullptr) << convgrad_last_error();
  const Data data = integer_data(*problem, options.seed);
  Runner runner;
  const Repro repro = {&*problem, options.kernel, options.seed, options.num_threads};
  for (Placement placement : {Placement::kBeforeGuard, Placement::kAfterGuard, Placement::kOdd}) {
    RunOptions how;
    how.placement = placement;
    const Outcome outcome = runner.run(context.get(), *problem, data.first, data.second, how);
    EXPECT_TRUE(equals_expected(outcome, data.expected, repro));
    how.entry = Entry::kFunction;
    EXPECT_TRUE(
        equals_expected(runner.run(context.get(), *problem, data.first, data.second, how), data.expected, repro));
    tally().add_kernel(outcome.kernel);
    ++tally().problems;
  }
}

TEST(Fuzz, RandomProblems) {
  const TestOptions &options = test_options();
  if (!options.problem.empty()) return one_problem(options);
  const uint64_t seed = options.has_seed ? options.seed : std::random_device()();
  std::printf("seed %llu, %g seconds\n", static_cast<unsigned long long>(seed), options.seconds);
  std::fflush(stdout);
  Fuzzer fuzzer(seed);
  ContextCache contexts;
  Runner runner;
  std::map<std::pair<convgrad_op, convgrad_dtype>, std::vector<const convgrad_kernel_info *>> kernels;
  for (const Problem &problem : in_each_dtype(expand_all({"all n1"}))) {
    auto &candidates = kernels[{problem.op, problem.dtype}];
    for (const convgrad_kernel_info *kernel : usable_kernels_of(problem.op)) {
      if (kernel->dtype == problem.dtype) candidates.push_back(kernel);
    }
    ASSERT_FALSE(candidates.empty()) << problem.to_string();
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options.seconds);
  int failures = 0;
  while (failures < 5 && std::chrono::steady_clock::now() < end) {
    const Problem problem = fuzzer.problem();
    const uint64_t data_seed = fuzzer.next_seed();
    const Data data = integer_data(problem, data_seed);
    // What the library chooses must work; then some kernels that accept the problem.
    std::vector<std::string> names = {""};
    const auto &candidates = kernels[{problem.op, problem.dtype}];
    for (int i = 0; i < 4; ++i) {
      names.push_back(
          candidates[static_cast<size_t>(fuzzer.between(0, static_cast<int64_t>(candidates.size()) - 1))]->name);
    }
    for (const std::string &name : names) {
      constexpr int kThreads[] = {1, 1, 2, 3, 5};
      const int threads = kThreads[fuzzer.between(0, 4)];
      const convgrad_context *context = contexts.get(name, threads);
      ASSERT_NE(context, nullptr) << name << ": " << convgrad_last_error();
      RunOptions how;
      how.placement = static_cast<Placement>(fuzzer.between(0, 2));
      how.workspace = fuzzer.one_in(4) ? Workspace::kNone : Workspace::kExact;
      how.entry = fuzzer.one_in(4) ? Entry::kFunction : Entry::kPlan;
      const Outcome outcome = runner.run(context, problem, data.first, data.second, how);
      // Strided tensors may be unsupported, and a forced kernel takes what it can.
      if (outcome.status == CONVGRAD_UNSUPPORTED &&
          (!name.empty() || problem.has_strided_tensors() || is_far_apart(problem))) {
        EXPECT_EQ(outcome.damage, "") << problem.to_string();
        ++tally().refused;
        continue;
      }
      const ::testing::AssertionResult equal =
          equals_expected(outcome, data.expected, {&problem, name, data_seed, threads});
      EXPECT_TRUE(equal) << "fuzz seed " << seed;
      failures += !equal;
      ++tally().problems;
      tally().add_kernel(name.empty() ? outcome.kernel : name);
    }
  }
  EXPECT_GT(tally().problems, 0) << "the time box was too short for a problem";
}

}  // namespace
}  // namespace convgrad::test
