// usage: convgrad_choose TARGET HARDWARE STRICT <problems
//
// Which kernel convgrad takes for a problem, for build_tools/generate and build_tools/tune. Reads problems, one a line:
//   conv2d_backprop_filter f32 n2 h7 w9 c5 r3x3 k4 s2x1 d1x1 p1,0,1,1 g1 NHWC
// (problem/problem.h has the form), and prints for each
//   P Q TOP LEFT KERNEL
//     the output's height and width, the rows and columns of zeros before the input, and the kernel that convgrad takes
//     on a machine of that target whose hardware has that name ("any": of no name); "-": nothing is to be computed
//   ! TEXT
//     what is wrong with the problem
// STRICT is 1 for a strict context, else 0.
#include <cstring>
#include <iostream>
#include <string>

#include "asked.h"
#include "choose_kernel.h"

namespace {

using namespace convgrad;

// False: `text` says what is wrong.
bool choose(const std::string &line, const Machine &machine, const Choice &choice, std::string *text) {
  Asked asked;
  if (!ask(line, &asked, text)) return false;
  const Normalized normalized = normalize(asked.problem);
  const Kernel *kernel = nullptr;
  if (normalized.run) {
    Text reason;
    if (fits_int32(normalized, asked.op->info, &reason)) {
      kernel = choose_kernel(normalized, *asked.op->table, machine, choice, nullptr, &reason);
    }
    if (kernel == nullptr) {
      *text = reason.c_str();
      return false;
    }
  }
  const Axis &height = asked.problem.axis[HEIGHT], &width = asked.problem.axis[WIDTH];
  const int64_t numbers[] = {height.out, width.out, static_cast<int64_t>(height.before),
                             static_cast<int64_t>(width.before)};
  text->clear();
  for (const int64_t number : numbers) *text += std::to_string(number) + " ";
  *text += kernel == nullptr ? "-" : kernel->name;
  return true;
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 4) {
    std::cerr << "usage: convgrad_choose TARGET HARDWARE STRICT <problems\n";
    return 2;
  }
  const Target *target = find_target(arguments[1]);
  if (target == nullptr) {
    std::cerr << "convgrad_choose: no target " << arguments[1] << "; there are " << target_names().c_str() << "\n";
    return 2;
  }
  const bool is_any = strcmp(arguments[2], "any") == 0;
  const Machine machine = {target->features, {"", 0, 0}, is_any ? nullptr : arguments[2]};
  const Choice choice = {target, nullptr, strcmp(arguments[3], "1") == 0};
  for (std::string line; std::getline(std::cin, line);) {
    std::string text;
    const bool chosen = ::choose(line, machine, choice, &text);
    std::cout << (chosen ? "" : "! ") << text << "\n";
  }
  return 0;
}
