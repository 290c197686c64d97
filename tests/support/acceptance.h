// What a kernel should accept, by what rows and families declare of it and by a problem's numbers. The library's
// verdict is judged by this, so that a problem that it refuses wrongly is not just one problem less.
#ifndef CONVGRAD_TESTS_SUPPORT_ACCEPTANCE_H
#define CONVGRAD_TESTS_SUPPORT_ACCEPTANCE_H

#include <map>
#include <string>

#include "support/problem.h"

namespace convgrad::test {

// As runtime/kernel_facts.inc names them: numbers by names such as filter[HEIGHT]. What is left out is 0.
class Facts {
 public:
  Facts() = default;
  Facts(std::map<std::string, double> facts) : facts_(std::move(facts)) {}
  int64_t operator[](const std::string &name) const {
    const auto found = facts_.find(name);
    return found == facts_.end() ? 0 : static_cast<int64_t>(found->second);
  }

 private:
  std::map<std::string, double> facts_;
};

// Of a kernel of the build, from its generated tables. Aborts on another name.
const Facts &facts_of(const std::string &kernel);

// Why a kernel with these facts, of the problem's op and element type, is to refuse the problem; "": it is to accept
// it. Not for problems whose coordinates or bytes no int32 holds, which are refused besides. `on_gpu`: it gets copies
// without gaps of the tensors.
std::string why_refused(const Facts &facts, const Problem &problem, bool on_gpu = false);

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_ACCEPTANCE_H
