#include "support/run.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <sstream>

#include "support/float_state.h"

namespace convgrad::test {
namespace {

// splitmix64: a stream that depends on nothing but the seed.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// Winograd's sums of integers are rounded, in the tests' problems by far less than this.
constexpr double kRounding = 0.25;

std::atomic<const char *> running{nullptr};
constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
struct sigaction handlers_before[std::size(kCrashes)];

void report_crash(int) {
  const char *what = running;
  if (what != nullptr && (write(STDERR_FILENO, "\ncrash while running: ", 22) < 0 ||
                          write(STDERR_FILENO, what, std::strlen(what)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)) {
    _exit(1);
  }
  // The instruction runs again and meets whoever handled it before.
  for (size_t i = 0; i < std::size(kCrashes); ++i) sigaction(kCrashes[i], &handlers_before[i], nullptr);
}

// Products that an element of the result sums at most.
int64_t reduction_length(const Problem &problem) {
  const reference::Sizes s = sizes_of(problem);
  const int64_t taps = problem.filter_height * problem.filter_width;
  if (taps == 0) return 0;  // the formula for an output's size may give billions
  switch (problem.op) {
    case CONVGRAD_OP_CONV2D:
      return taps * (problem.in_channels / problem.groups);
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return taps * (problem.out_channels / problem.groups);
    default:
      return problem.batch * s.height.out * s.width.out;
  }
}

// Integers times this have bits at both ends of a float64: with sums below 2^24 all stay exact.
constexpr double kWide = (1 << 25) + 1;
double scale_of(convgrad_dtype dtype) { return problems::dtype_info(dtype).mantissa_bits >= 53 ? kWide : 1; }

void *place(GuardedBuffer *buffer, const Layout &layout, Placement placement) {
  return buffer->place(layout.bytes(), placement, static_cast<size_t>(problems::dtype_info(layout.dtype).bytes));
}

void *place_operand(GuardedBuffer *buffer, const Layout &layout, const std::vector<double> &values,
                    Placement placement) {
  void *memory = place(buffer, layout, placement);
  if (!layout.dense) fill_pattern(memory, layout.bytes());
  scatter(layout, values, memory);
  return memory;
}

// Whether what lies between the elements is still the pattern, which the elements become.
bool gaps_intact(void *memory, const Layout &layout) {
  if (layout.dense) return true;
  const auto element = static_cast<size_t>(problems::dtype_info(layout.dtype).bytes);
  for (const int64_t offset : layout.offsets()) {
    fill_pattern(static_cast<char *>(memory) + static_cast<size_t>(offset) * element, element);
  }
  return holds_pattern(memory, layout.bytes());
}

convgrad_status call_function(const convgrad_context *context, const Problem &problem, const convgrad_tensor *first,
                              const convgrad_tensor *second, const convgrad_tensor *result) {
  const convgrad_conv2d_attrs attrs = problem.attrs();
  switch (problem.op) {
    case CONVGRAD_OP_CONV2D:
      return convgrad_conv2d(context, &attrs, first, second, result);
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return convgrad_conv2d_backprop_input(context, &attrs, first, second, result);
    default:
      return convgrad_conv2d_backprop_filter(context, &attrs, first, second, result);
  }
}

convgrad_status make_plan(const convgrad_context *context, const Problem &problem, const Layouts &layouts, Plan *plan) {
  const convgrad_tensor a = layouts.first.tensor(nullptr);
  const convgrad_tensor b = layouts.second.tensor(nullptr);
  const convgrad_tensor c = layouts.result.tensor(nullptr);
  const convgrad_conv2d_attrs attrs = problem.attrs();
  convgrad_plan *created = nullptr;
  const convgrad_status status = convgrad_plan_create(context, problem.op, &attrs, &a, &b, &c, &created);
  plan->reset(created);
  return status;
}

std::string describe(const Outcome &outcome, const Repro &repro) {
  std::ostringstream out;
  out << "\n  problem: " << repro.problem->to_string() << "\n  kernel:  "
      << (outcome.kernel.empty() ? (repro.kernel.empty() ? "chosen by the library" : repro.kernel) : outcome.kernel)
      << "\n  seed:    " << repro.seed << "\n  again:   " << repro.to_string();
  return out.str();
}

template <typename T, typename Equal>
::testing::AssertionResult compare(const Outcome &outcome, const std::vector<T> &expected, const Repro &repro,
                                   const Equal &equal) {
  if (outcome.status != CONVGRAD_OK) {
    return ::testing::AssertionFailure() << convgrad_status_string(outcome.status) << ": " << outcome.message
                                         << describe(outcome, repro);
  }
  if (!outcome.damage.empty()) return ::testing::AssertionFailure() << outcome.damage << describe(outcome, repro);
  if (outcome.result.size() != expected.size()) {
    return ::testing::AssertionFailure() << outcome.result.size() << " elements, expected " << expected.size()
                                         << describe(outcome, repro);
  }
  size_t wrong = 0;
  size_t first = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!equal(outcome.result[i], expected[i]) && wrong++ == 0) first = i;
  }
  if (wrong == 0) return ::testing::AssertionSuccess();
  Layout layout = layouts_of(*repro.problem).result;
  if (layout.channels_first) layout.shape = {layout.shape[0], layout.shape[2], layout.shape[3], layout.shape[1]};
  int64_t rest = static_cast<int64_t>(first);
  std::array<int64_t, 4> index = {};
  for (size_t i = 4; i-- > 0; rest /= layout.shape[i]) index[i] = rest % layout.shape[i];
  std::ostringstream text;
  text.precision(17);
  text << wrong << " of " << expected.size() << " elements differ, the first at [" << index[0] << "," << index[1] << ","
       << index[2] << "," << index[3] << "] of the "
       << (repro.problem->op == CONVGRAD_OP_CONV2D_BACKPROP_FILTER ? "HWIO" : "NHWC") << " result: got "
       << outcome.result[first] << ", expected " << expected[first];
  return ::testing::AssertionFailure() << text.str() << describe(outcome, repro);
}

}  // namespace

std::vector<double> random_integers(int64_t size, uint64_t seed, int max_abs) {
  Random random(seed);
  std::vector<double> values(static_cast<size_t>(size));
  const auto count = static_cast<uint64_t>(2 * max_abs + 1);
  for (double &value : values) value = static_cast<int>(random.next() % count) - max_abs;
  return values;
}

std::vector<double> random_reals(int64_t size, uint64_t seed, convgrad_dtype dtype) {
  const int bits = problems::dtype_info(dtype).mantissa_bits;
  Random random(seed);
  std::vector<double> values(static_cast<size_t>(size));
  for (double &value : values) {
    const int64_t integer = static_cast<int64_t>(random.next() >> (64 - bits)) - (int64_t{1} << (bits - 1));
    value = std::ldexp(static_cast<double>(integer), 1 - bits);
  }
  return values;
}

namespace {
template <typename Sum>
std::vector<Sum> result_by(const Problem &problem, const std::vector<double> &first,
                           const std::vector<double> &second) {
  switch (problem.op) {
    case CONVGRAD_OP_CONV2D:
      return reference::conv2d<Sum>(sizes_of(problem), first, second);
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return reference::conv2d_backprop_input<Sum>(sizes_of(problem), first, second);
    default:
      return reference::conv2d_backprop_filter<Sum>(sizes_of(problem), first, second);
  }
}
}  // namespace

std::vector<long double> reference_result(const Problem &problem, const std::vector<double> &first,
                                          const std::vector<double> &second) {
  if (problem.dtype == CONVGRAD_FLOAT64) return result_by<long double>(problem, first, second);
  const std::vector<double> result = result_by<double>(problem, first, second);
  return {result.begin(), result.end()};
}

Data integer_data(const Problem &problem, uint64_t seed) {
  constexpr int kMaxAbs = 4;
  if (reduction_length(problem) * kMaxAbs * kMaxAbs >= (1 << 24)) {
    std::fprintf(stderr, "sums of %s may not be exact\n", problem.to_string().c_str());
    std::abort();
  }
  const Layouts layouts = layouts_of(problem);
  Data data;
  data.first = random_integers(layouts.first.size(), 2 * seed, kMaxAbs);
  data.second = random_integers(layouts.second.size(), 2 * seed + 1, kMaxAbs);
  const double scale = scale_of(problem.dtype);
  for (double &value : data.first) value *= scale;
  const std::vector<double> expected = result_by<double>(problem, data.first, data.second);
  data.expected.assign(expected.begin(), expected.end());
  return data;
}

Data real_data(const Problem &problem, uint64_t seed) {
  const Layouts layouts = layouts_of(problem);
  Data data;
  data.first = random_reals(layouts.first.size(), 2 * seed, problem.dtype);
  data.second = random_reals(layouts.second.size(), 2 * seed + 1, problem.dtype);
  data.expected = reference_result(problem, data.first, data.second);
  return data;
}

bool is_affordable(const Problem &problem) {
  constexpr int64_t kMostMultiplyAdds = 2000000;  // QEMU computes a hundred million a second
  return !test_options().brief || multiply_adds(problem) <= kMostMultiplyAdds;
}

std::vector<Problem> affordable(std::vector<Problem> problems) {
  problems.erase(std::remove_if(problems.begin(), problems.end(), [](const Problem &p) { return !is_affordable(p); }),
                 problems.end());
  return problems;
}

const Data &DataCache::get(const Problem &problem, uint64_t seed) {
  const std::string key = std::to_string(seed) + " " + problem.to_string();
  const auto found = data_.find(key);
  if (found != data_.end()) return found->second;
  return data_.emplace(key, integer_data(problem, seed)).first->second;
}

void install_crash_report() {
  struct sigaction action = {};
  action.sa_handler = report_crash;
  for (size_t i = 0; i < std::size(kCrashes); ++i) sigaction(kCrashes[i], &action, &handlers_before[i]);
}

Runner::~Runner() {
  const char *mine = running_;
  running.compare_exchange_strong(mine, nullptr);
}

Outcome Runner::run(const convgrad_context *context, const Problem &problem, const std::vector<double> &first,
                    const std::vector<double> &second, const RunOptions &options) {
  Outcome outcome;
  const Layouts layouts = layouts_of(problem);
  std::snprintf(running_, sizeof running_, "%s", problem.to_string().c_str());
  running = running_;
  // What is done here to values is done in the mode in which programs begin.
  const auto in_mode = [&](const auto &work) {
    if (!options.float_mode) return work();
    const ScopedFloatMode scoped(*options.float_mode);
    return work();
  };
  // A plan is made without the tensors' memory, which the many problems that a forced kernel refuses need not fill.
  Plan plan;
  if (options.entry == Entry::kPlan) {
    outcome.status = in_mode([&] { return make_plan(context, problem, layouts, &plan); });
    if (outcome.status != CONVGRAD_OK) {
      outcome.message = convgrad_last_error();
      return outcome;
    }
    outcome.kernel = convgrad_plan_kernel(plan.get());
    std::snprintf(running_, sizeof running_, "%s, kernel %s", problem.to_string().c_str(), outcome.kernel.c_str());
  }
  void *first_data = place_operand(&first_, layouts.first, first, options.placement);
  void *second_data = place_operand(&second_, layouts.second, second, options.placement);
  void *result_data = place(&result_, layouts.result, options.placement);
  fill_pattern(result_data, layouts.result.bytes());
  bool uses_workspace = false;
  if (options.entry == Entry::kFunction) {
    const convgrad_tensor a = layouts.first.tensor(first_data);
    const convgrad_tensor b = layouts.second.tensor(second_data);
    const convgrad_tensor c = layouts.result.tensor(result_data);
    outcome.status = in_mode([&] { return call_function(context, problem, &a, &b, &c); });
  } else {
    void *workspace = nullptr;
    if (options.workspace == Workspace::kExact) {
      const size_t bytes = convgrad_plan_workspace_size(plan.get());
      if (bytes % CONVGRAD_WORKSPACE_ALIGNMENT != 0) outcome.damage = "a workspace size that is not aligned";
      // One element past a guard is no place for a workspace: it must be aligned.
      workspace = workspace_.place(
          bytes, options.placement == Placement::kBeforeGuard ? Placement::kBeforeGuard : Placement::kAfterGuard);
      fill_pattern(workspace, bytes);
      uses_workspace = true;
    }
    outcome.status =
        in_mode([&] { return convgrad_plan_run(plan.get(), first_data, second_data, result_data, workspace); });
  }
  if (outcome.status != CONVGRAD_OK) {
    outcome.message = convgrad_last_error();
    if (!holds_pattern(result_data, layouts.result.bytes())) outcome.damage = "a failed call wrote into the result";
  } else {
    outcome.result = gather(layouts.result, result_data);
    if (!gaps_intact(result_data, layouts.result)) outcome.damage = "written between the elements of the result";
  }
  if (!result_.surroundings_intact()) outcome.damage = "written outside the result";
  if (!first_.surroundings_intact() || !second_.surroundings_intact()) outcome.damage = "written around an operand";
  if (uses_workspace && !workspace_.surroundings_intact()) outcome.damage = "written outside the workspace";
  const bool same = holds(layouts.first, first, first_data) && holds(layouts.second, second, second_data) &&
                    gaps_intact(first_data, layouts.first) && gaps_intact(second_data, layouts.second);
  if (!same) outcome.damage = "an operand was written";
  return outcome;
}

std::string Repro::to_string() const {
  std::string text = "test_fuzz --problem \"" + problem->to_string() + "\" --seed " + std::to_string(seed) +
                     " --threads " + std::to_string(num_threads);
  if (!kernel.empty()) text += " --kernel " + kernel;
  return text;
}

::testing::AssertionResult equals_expected(const Outcome &outcome, const std::vector<long double> &expected,
                                           const Repro &repro) {
  // Which kernel a function took is not known.
  const std::string &kernel = outcome.kernel.empty() ? repro.kernel : outcome.kernel;
  const double tolerance = kernel.empty() || is_winograd(kernel) ? kRounding * scale_of(repro.problem->dtype) : 0;
  return compare(outcome, expected, repro, [tolerance](double got, long double want) {
    return std::fabs(got - want) <= tolerance;  // false for a NaN
  });
}

std::vector<double> without_rounding(std::vector<double> result, const std::string &kernel) {
  if (!is_winograd(kernel)) return result;
  for (double &value : result) {
    if (std::fabs(value - std::nearbyint(value)) <= kRounding) value = std::nearbyint(value);
  }
  return result;
}

::testing::AssertionResult same_bits(const Outcome &outcome, const std::vector<double> &expected, const Repro &repro) {
  return compare(outcome, expected, repro,
                 [](double got, double want) { return std::memcmp(&got, &want, sizeof got) == 0; });
}

void Tally::add_kernel(const std::string &name) {
  if (name.empty()) return;  // nothing was to be added up, and no kernel ran
  if (std::find(kernels.begin(), kernels.end(), name) == kernels.end()) kernels.push_back(name);
}

void Tally::add_skipped(const std::string &name) {
  if (std::find(skipped.begin(), skipped.end(), name) == skipped.end()) skipped.push_back(name);
}

Tally &tally() {
  static Tally instance;
  return instance;
}

}  // namespace convgrad::test
