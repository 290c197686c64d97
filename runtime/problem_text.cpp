#include "problem_text.h"

namespace convgrad {
namespace {

long long number(int64_t value) { return value; }

}  // namespace

ProblemText problem_text(const Problem &problem, const convgrad_conv2d_attrs &attrs) {
  const Axis &height = problem.axis[HEIGHT], &width = problem.axis[WIDTH];
  ProblemText text;
  text.append("%s %s n%lld h%lld w%lld c%lld r%lldx%lld k%lld s%lldx%lld d%lldx%lld", kOps[problem.op].name,
              kDtypes[problem.dtype].short_name, number(problem.batch), number(height.in), number(width.in),
              number(problem.in_channels), number(height.taps), number(width.taps), number(problem.out_channels),
              number(height.stride), number(width.stride), number(height.dilation), number(width.dilation));
  if (attrs.padding == CONVGRAD_EXPLICIT) {
    const int64_t *pads = attrs.explicit_paddings;
    text.append(" p%lld,%lld,%lld,%lld", number(pads[0]), number(pads[1]), number(pads[2]), number(pads[3]));
  } else {
    text.append(" p%s", attrs.padding == CONVGRAD_SAME ? "SAME" : "VALID");
  }
  text.append(" g%lld %s", number(problem.groups), attrs.data_format == CONVGRAD_NCHW ? "NCHW" : "NHWC");
  return text;
}

}  // namespace convgrad
