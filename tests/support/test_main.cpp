// main() of every test binary: the command line, a clean environment and the closing line.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cfenv>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "support/run.h"

namespace convgrad::test {
namespace {
TestOptions options;

std::string closing_line() {
  std::string line = "problems tried: " + std::to_string(tally().problems) +
                     ", kernels: " + std::to_string(tally().kernels.size()) +
                     ", refused: " + std::to_string(tally().refused) + ", skipped:";
  if (tally().skipped.empty()) line += " none";
  for (const std::string &name : tally().skipped) line += " " + name;
  return line;
}

// ctest hides what a passing test prints, so the line also goes to the end of a file that all tests of a run share: in
// one write, which other processes' cannot get into.
bool append_to_tally(const std::string &line) {
  const char *path = std::getenv("CONVGRAD_TALLY_FILE");
  if (path == nullptr) return true;
  const char *name = std::getenv("CONVGRAD_TALLY_NAME");
  std::string text = name == nullptr ? "" : name;
  text.resize(std::max<size_t>(text.size(), 27), ' ');
  text += " " + line + "\n";
  const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool written = file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written) std::perror(path);
  if (file >= 0) close(file);
  return written;
}

}  // namespace

const TestOptions &test_options() { return options; }

// Which kernels there are tests for depends on it, and GoogleTest asks before it has taken its own options away.
static void read_device(int argc, char **argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--device") options.device = argv[i + 1];
  }
}

}  // namespace convgrad::test

int main(int argc, char **argv) {
  convgrad::test::read_device(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  auto &options = convgrad::test::options;
  CLI::App app("Tests of convgrad; GoogleTest's own options come before these.");
  app.add_option("--device", options.device, "test the kernels for this kind of device")
      ->check(CLI::IsMember({"cpu", "opencl", "cuda"}));
  app.add_option("--problem", options.problem, "run this one problem only (test_fuzz)");
  app.add_option("--kernel", options.kernel, "with this kernel forced (test_fuzz)");
  const CLI::Option *seed = app.add_option("--seed", options.seed, "of the data, or of a fuzz run");
  app.add_option("--threads", options.num_threads, "with --problem");
  app.add_option("--seconds", options.seconds, "time box of a fuzz run")->envname("CONVGRAD_FUZZ_SECONDS");
  app.add_option("--usable", options.usable, "the targets that this machine can run (test_emulated_machine)")
      ->delimiter(',');
  app.add_option("--lacks", options.lacks, "CPU features that it lacks (test_emulated_machine)")->delimiter(',');
  app.add_option("--every", options.every, "take one problem in so many of a shape list")
      ->check(CLI::Range(1, 1000000));
  app.add_flag("--emulated", options.emulated, "QEMU's user mode runs the test: leave out what it cannot");
  app.add_flag("--brief", options.brief, "leave out problems that take an emulator long, and some numbers of threads");
  CLI11_PARSE(app, argc, argv);
  options.has_seed = seed->count() != 0;
  // The tests set these themselves; what the caller's shell holds must not change what is tested.
  for (const char *name : {"CONVGRAD_TARGET", "CONVGRAD_NUM_THREADS", "CONVGRAD_STRICT", "CONVGRAD_VERBOSE"}) {
    unsetenv(name);
  }
  convgrad::test::install_crash_report();
  // QEMU leaves sums to this machine's floating point only where the flag is up already, and sums of integers never
  // raise it: twice as fast. Threads begin with their maker's flags, and a call leaves them as they are.
  if (options.emulated) std::feraiseexcept(FE_INEXACT);
  const int failed = RUN_ALL_TESTS();
  const std::string line = convgrad::test::closing_line();
  std::printf("%s\n", line.c_str());
  return convgrad::test::append_to_tally(line) ? failed : 1;
}
