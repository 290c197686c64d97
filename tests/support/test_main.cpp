// main() of every test binary: the command line, a clean environment and the closing line.
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "support/run.h"

namespace convgrad::test {
namespace {
TestOptions options;
}  // namespace
const TestOptions &test_options() { return options; }
}  // namespace convgrad::test

int main(int argc, char **argv) {
  using convgrad::test::tally;
  ::testing::InitGoogleTest(&argc, argv);
  auto &options = convgrad::test::options;
  CLI::App app("Tests of convgrad; GoogleTest's own options come before these.");
  app.add_option("--problem", options.problem, "run this one problem only (test_fuzz)");
  app.add_option("--kernel", options.kernel, "with this kernel forced (test_fuzz)");
  const CLI::Option *seed = app.add_option("--seed", options.seed, "of the data, or of a fuzz run");
  app.add_option("--threads", options.num_threads, "with --problem");
  app.add_option("--seconds", options.seconds, "time box of a fuzz run")->envname("CONVGRAD_FUZZ_SECONDS");
  app.add_option("--every", options.every, "take one problem in so many of a shape list")
      ->check(CLI::Range(1, 1000000));
  CLI11_PARSE(app, argc, argv);
  options.has_seed = seed->count() != 0;
  // The tests set these themselves; what the caller's shell holds must not change what is tested.
  for (const char *name : {"CONVGRAD_TARGET", "CONVGRAD_NUM_THREADS", "CONVGRAD_STRICT", "CONVGRAD_VERBOSE"}) {
    unsetenv(name);
  }
  convgrad::test::install_crash_report();
  const int failed = RUN_ALL_TESTS();
  std::printf("problems tried: %lld, kernels: %zu, refused: %lld, skipped:", static_cast<long long>(tally().problems),
              tally().kernels.size(), static_cast<long long>(tally().refused));
  if (tally().skipped.empty()) std::printf(" none");
  for (const std::string &name : tally().skipped) std::printf(" %s", name.c_str());
  std::printf("\n");
  return failed;
}
