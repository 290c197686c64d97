// A problem as build_tools' Python writes it on a line.
#ifndef CONVGRAD_BUILD_TOOLS_PROBES_ASKED_H
#define CONVGRAD_BUILD_TOOLS_PROBES_ASKED_H

#include <string>

#include "prepared_call.h"

namespace convgrad {

struct Asked {
  std::string op;
  int64_t input[4], filter[4];
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
};

// OP  N H W C  R S CF K  SH SW  DH DW  SAME|VALID|TOP,BOTTOM,LEFT,RIGHT. False: it is something else.
bool read_asked(const std::string &line, Asked *asked);

struct AskedProblem {
  const Op *op;
  int64_t output[4];
  Problem problem;
};

// Dense NHWC tensors of the host. False: `text` says what is wrong with them.
bool ask(const Asked &asked, AskedProblem *problem, std::string *text);

}  // namespace convgrad

#endif
