// A problem as the runtime sees it.
#ifndef CONVGRAD_BUILD_TOOLS_PROBES_ASKED_H
#define CONVGRAD_BUILD_TOOLS_PROBES_ASKED_H

#include <string>

#include "prepared_call.h"
#include "problem/problem.h"

namespace convgrad {

struct Asked {
  problems::Problem given;
  const Op *op = nullptr;
  Problem problem;  // of dense tensors of the host
};

// Of a problem's text. False: `error` says what is wrong with it.
bool ask(const std::string &line, Asked *asked, std::string *error);

}  // namespace convgrad

#endif
