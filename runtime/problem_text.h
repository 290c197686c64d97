// A problem in the notation of docs/problems.md, which problem/ reads.
#ifndef CONVGRAD_RUNTIME_PROBLEM_TEXT_H
#define CONVGRAD_RUNTIME_PROBLEM_TEXT_H

#include "last_error.h"
#include "problem.h"

namespace convgrad {

// Holds the longest one: names, 18 numbers of up to 20 characters, and what is between them.
using ProblemText = TextOf<448>;

// `attrs` are those that the problem was validated with, with all their fields. The text takes tensors to be dense.
ProblemText problem_text(const Problem &problem, const convgrad_conv2d_attrs &attrs);

}  // namespace convgrad

#endif
