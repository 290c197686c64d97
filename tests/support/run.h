// Runs one problem through the public API in guarded memory and judges what came out.
#ifndef CONVGRAD_TESTS_SUPPORT_RUN_H
#define CONVGRAD_TESTS_SUPPORT_RUN_H

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "support/api.h"
#include "support/elements.h"
#include "support/guarded_buffer.h"
#include "support/problem.h"

namespace convgrad::test {

// Operands, which are elements of the problem's type, and the result, in logical order.
struct Data {
  std::vector<double> first, second;
  std::vector<long double> expected;
};

// Integers in [-max_abs, max_abs]; the same for the same seed on every machine.
std::vector<double> random_integers(int64_t size, uint64_t seed, int max_abs = 4);
// In [-1, 1), with as many bits as the type has: multiples of 2^-23 for float32, of 2^-52 for float64.
std::vector<double> random_reals(int64_t size, uint64_t seed, convgrad_dtype dtype);

// By a type of sums that is more precise than the problem's.
std::vector<long double> reference_result(const Problem &problem, const std::vector<double> &first,
                                          const std::vector<double> &second);
// Sums are exact in the problem's type (else aborts). In types wider than float32 operands and sums have more bits than
// that holds, so that nothing may have been one on its way.
Data integer_data(const Problem &problem, uint64_t seed);
Data real_data(const Problem &problem, uint64_t seed);

// integer_data, computed once a problem and seed.
class DataCache {
 public:
  const Data &get(const Problem &problem, uint64_t seed);

 private:
  std::unordered_map<std::string, Data> data_;
};

enum class Workspace { kExact, kNone };
enum class Entry { kPlan, kFunction };

struct RunOptions {
  Placement placement = Placement::kBeforeGuard;
  Workspace workspace = Workspace::kExact;  // for plans
  Entry entry = Entry::kPlan;
  std::optional<uint64_t> float_mode;  // the caller's, by ScopedFloatMode
};

struct Outcome {
  convgrad_status status = CONVGRAD_OK;
  std::string message;         // of a failure
  std::string kernel;          // of a plan
  std::string damage;          // what was written that must not be, or ""
  std::vector<double> result;  // in logical order
};

// Not for use by two threads at once.
class Runner {
 public:
  Runner() = default;
  ~Runner();
  Runner(const Runner &) = delete;
  Runner &operator=(const Runner &) = delete;

  Outcome run(const convgrad_context *context, const Problem &problem, const std::vector<double> &first,
              const std::vector<double> &second, const RunOptions &options = {});

 private:
  GuardedBuffer first_, second_, result_, workspace_;
  char running_[320] = "";  // what a crash report names
};

// From here on a crash names the problem and the kernel that were running.
void install_crash_report();

// How to run a failed case again.
struct Repro {
  const Problem *problem;
  std::string kernel;  // "": chosen by the library
  uint64_t seed = 0;
  int num_threads = 1;
  std::string to_string() const;
};

// Integer-valued results as they would be without a Winograd kernel's rounding: what is near an integer becomes it.
// Results of other kernels are left alone.
std::vector<double> without_rounding(std::vector<double> result, const std::string &kernel);

// OK, nothing damaged, every element equal to what is expected, or a Winograd kernel's rounding away from it.
::testing::AssertionResult equals_expected(const Outcome &outcome, const std::vector<long double> &expected,
                                           const Repro &repro);
// OK, nothing damaged, the same bits.
::testing::AssertionResult same_bits(const Outcome &outcome, const std::vector<double> &expected, const Repro &repro);

// What a binary tried; printed when it ends, and appended to the file CONVGRAD_TALLY_FILE.
struct Tally {
  int64_t problems = 0;  // runs that were judged
  int64_t refused = 0;   // UNSUPPORTED by a kernel that was forced
  std::vector<std::string> kernels;
  std::vector<std::string> skipped;
  void add_kernel(const std::string &name);
  void add_skipped(const std::string &name);
};
Tally &tally();

// Command line of every test binary.
struct TestOptions {
  std::string device = "cpu";  // whose kernels are tested: cpu, opencl or cuda; known before tests are listed
  std::string problem;
  std::string kernel;
  uint64_t seed = 0;
  bool has_seed = false;
  int num_threads = 1;
  double seconds = 20;
  int every = 1;  // take one problem in so many of a shape list
  bool emulated = false;
  bool brief = false;
  std::vector<std::string> usable;
  std::vector<std::string> lacks;
};
const TestOptions &test_options();

// With --brief those that take an emulator no longer than some 20 ms, otherwise all.
bool is_affordable(const Problem &problem);
std::vector<Problem> affordable(std::vector<Problem> problems);

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_RUN_H
