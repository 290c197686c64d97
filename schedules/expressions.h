// What expressions of families' declarations call, beside operators (schedules/read_family.inc).
#ifndef CONVGRAD_SCHEDULES_EXPRESSIONS_H
#define CONVGRAD_SCHEDULES_EXPRESSIONS_H

#include <numeric>

namespace convgrad {

using std::lcm;

constexpr int choose(bool condition, int a, int b) { return condition ? a : b; }

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_EXPRESSIONS_H
