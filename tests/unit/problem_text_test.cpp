// The runtime, which does not link problem/, writes a problem as problem/ does.
#include "problem_text.h"

#include <gtest/gtest.h>

#include <string>

#include "problem/problem.h"
#include "validate.h"

namespace convgrad {
namespace {

// What the runtime says of a problem that it has validated.
std::string text_of(const problems::Problem &wanted) {
  std::string error;
  const std::optional<problems::Shapes> shapes = wanted.shapes(&error);
  EXPECT_TRUE(shapes) << error;
  if (!shapes) return "";
  const convgrad_conv2d_attrs attrs = wanted.attrs();
  convgrad_tensor tensor[3] = {};
  const convgrad_tensor *in_order[3];
  for (int i = 0; i < 3; ++i) {
    tensor[i].dtype = wanted.dtype;
    for (size_t j = 0; j < 4; ++j) tensor[i].shape[j] = shapes->argument(wanted.op, i)[j];
    in_order[i] = &tensor[i];
  }
  Problem problem = {};
  const convgrad_status status = validate_problem(kOps[wanted.op], CONVGRAD_HOST, &attrs, in_order, &problem);
  // An element type without kernels is refused when all has been read.
  EXPECT_TRUE(status == CONVGRAD_OK || status == CONVGRAD_UNSUPPORTED) << convgrad_last_error();
  return problem_text(problem, attrs).c_str();
}

TEST(ProblemText, IsReadBackAsTheSameProblem) {
  for (const char *text : {
           "conv2d f32 n1 h1 w1 c1 r1x1 k1 s1x1 d1x1 pVALID g1 NHWC",
           "conv2d f32 n2 h7 w9 c5 r3x2 k4 s2x1 d1x3 pSAME g1 NHWC",
           "conv2d_backprop_input f32 n2 h7 w9 c6 r3x3 k4 s1x2 d1x1 p1,0,2,3 g2 NCHW",
           "conv2d_backprop_filter f64 n2 h70 w90 c6 r3x3 k9 s2x1 d4x5 p10,0,0,11 g3 NHWC",
           "conv2d_backprop_filter f16 n0 h7 w9 c6 r1x1 k4 s2x1 d1x1 pSAME g1 NCHW",
           "conv2d_backprop_input bf16 n3 h7 w9 c6 r3x3 k0 s1x1 d1x1 pVALID g1 NHWC",
       }) {
    std::string error;
    const std::optional<problems::Problem> problem = problems::parse_problem(text, &error);
    ASSERT_TRUE(problem) << error;
    EXPECT_EQ(problem->to_string(), text);
    const std::string said = text_of(*problem);
    EXPECT_EQ(said, text);
    const std::optional<problems::Problem> again = problems::parse_problem(said, &error);
    ASSERT_TRUE(again) << error;
    EXPECT_EQ(*again, *problem) << text;
  }
}

// Of numbers as long as they may be nothing is cut off.
TEST(ProblemText, HasRoomForTheLongest) {
  constexpr int64_t kMost = INT64_MIN;
  Problem problem = {};
  problem.op = CONVGRAD_OP_CONV2D_BACKPROP_FILTER;
  problem.dtype = CONVGRAD_BFLOAT16;
  problem.batch = problem.in_channels = problem.out_channels = problem.groups = kMost;
  for (Axis &axis : problem.axis) axis = {kMost, kMost, kMost, kMost, kMost, 0};
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = CONVGRAD_EXPLICIT;
  for (int64_t &padding : attrs.explicit_paddings) padding = kMost;
  const std::string text = problem_text(problem, attrs).c_str();
  EXPECT_EQ(text.substr(text.size() - 5), " NHWC");
}

}  // namespace
}  // namespace convgrad
