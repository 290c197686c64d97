#include "support/child.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace convgrad::test {

namespace {

ChildResult fork_and_wait(const std::map<std::string, std::string> &environment, const std::function<int()> &function) {
  constexpr unsigned kSeconds = 60;
  int ends[2];
  std::fflush(nullptr);
  if (pipe(ends) != 0) {
    std::perror("pipe");
    std::abort();
  }
  const pid_t child = fork();
  if (child == 0) {
    alarm(kSeconds);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    for (const auto &[name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    const int code = function();
    std::fflush(nullptr);
    _exit(code);
  }
  close(ends[1]);
  ChildResult result;
  char buffer[4096];
  ssize_t count;
  while ((count = read(ends[0], buffer, sizeof buffer)) != 0) {
    if (count > 0) result.output.append(buffer, static_cast<size_t>(count));
    if (count < 0 && errno != EINTR) break;
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) {
    result.exit_code = WEXITSTATUS(status);
  } else {
    result.output += "\nended by signal " + std::to_string(WTERMSIG(status));
  }
  return result;
}

}  // namespace

ChildResult run_in_child(const std::map<std::string, std::string> &environment, const std::function<int()> &function) {
  // From the newest thread: in QEMU 7.2 the child's threads get the numbers after that of the one that forks, and end
  // with an assertion where a thread of the parent has had one.
  ChildResult result;
  std::thread([&] { result = fork_and_wait(environment, function); }).join();
  return result;
}

}  // namespace convgrad::test
