// A piece of a test in a process of its own.
#ifndef CONVGRAD_TESTS_SUPPORT_CHILD_H
#define CONVGRAD_TESTS_SUPPORT_CHILD_H

#include <functional>
#include <map>
#include <string>

namespace convgrad::test {

struct ChildResult {
  int exit_code = -1;  // -1: a signal ended it, which is in `output`
  std::string output;  // of stdout and stderr
};

// Forks, sets the variables, and runs the function, whose answer is the exit code. Ends a child that takes too long.
ChildResult run_in_child(const std::map<std::string, std::string> &environment, const std::function<int()> &function);

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_CHILD_H
