// A problem's text: printed, read back, and what is said where it cannot be read.
#include "problem/problem.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace convgrad::problems {
namespace {

Problem example() {
  Problem p;
  p.op = CONVGRAD_OP_CONV2D_BACKPROP_FILTER;
  p.batch = 2;
  p.in_height = 7;
  p.in_width = 9;
  p.in_channels = 6;
  p.filter_height = 3;
  p.filter_width = 2;
  p.out_channels = 4;
  p.groups = 2;
  p.strides = {2, 1};
  p.dilations = {1, 3};
  p.padding = CONVGRAD_EXPLICIT;
  p.explicit_paddings = {1, 0, 2, 3};
  return p;
}

TEST(Problem, IsPrintedWhole) {
  EXPECT_EQ(Problem().to_string(), "conv2d f32 n1 h1 w1 c1 r1x1 k1 s1x1 d1x1 pVALID g1 NHWC");
  EXPECT_EQ(example().to_string(), "conv2d_backprop_filter f32 n2 h7 w9 c6 r3x2 k4 s2x1 d1x3 p1,0,2,3 g2 NHWC");
  Problem strided = example();
  strided.gap = 3;
  strided.spread = 2;
  EXPECT_EQ(strided.to_string(), example().to_string() + " gap3 spread2");
}

TEST(Problem, ReadsBackWhatWasPrinted) {
  std::vector<Problem> problems;
  for (convgrad_op op = 0; op < kOps; ++op) {
    for (convgrad_dtype dtype = 0; dtype < kDtypes; ++dtype) {
      for (const convgrad_data_format format : {CONVGRAD_NHWC, CONVGRAD_NCHW}) {
        Problem p = example();
        p.op = op;
        p.dtype = dtype;
        p.data_format = format;
        problems.push_back(p);
        p.padding = CONVGRAD_SAME;
        p.explicit_paddings = {0, 0, 0, 0};
        problems.push_back(p);
        p.padding = CONVGRAD_VALID;
        p.gap = 5;
        p.spread = 3;
        problems.push_back(p);
        p.in_height = std::numeric_limits<int64_t>::max();
        p.in_width = std::numeric_limits<int64_t>::min();
        p.batch = 0;
        problems.push_back(p);
      }
    }
  }
  for (const Problem &problem : problems) {
    std::string error;
    const std::optional<Problem> again = parse_problem(problem.to_string(), &error);
    ASSERT_TRUE(again) << error;
    EXPECT_EQ(*again, problem) << problem.to_string();
  }
}

TEST(Problem, EachFieldCountsWhenProblemsAreCompared) {
  const std::string text = example().to_string();
  std::string error;
  for (const char *other : {"conv2d f32 n2 h7 w9 c6 r3x2 k4 s2x1 d1x3 p1,0,2,3 g2 NHWC",
                            "conv2d_backprop_filter f64 n2 h7 w9 c6 r3x2 k4 s2x1 d1x3 p1,0,2,3 g2 NHWC",
                            "conv2d_backprop_filter f32 n2 h7 w9 c6 r3x2 k4 s2x1 d1x3 p1,0,2,4 g2 NHWC",
                            "conv2d_backprop_filter f32 n2 h7 w9 c6 r3x2 k4 s2x1 d1x3 p1,0,2,3 g2 NCHW",
                            "conv2d_backprop_filter f32 n2 h7 w9 c6 r3x2 k4 s2x1 d1x3 p1,0,2,3 g2 NHWC gap1"}) {
    EXPECT_NE(*parse_problem(other, &error), example()) << other;
  }
  EXPECT_EQ(*parse_problem(text, &error), example());
}

TEST(Problem, FieldsLeftOutHaveDefaultsAndAnyOrder) {
  std::string error;
  const std::optional<Problem> problem = parse_problem("  conv2d NCHW k3\tr2x1 h9 f64 ", &error);
  ASSERT_TRUE(problem) << error;
  EXPECT_EQ(problem->to_string(), "conv2d f64 n1 h9 w1 c1 r2x1 k3 s1x1 d1x1 pVALID g1 NCHW");
  EXPECT_EQ(*parse_problem("conv2d", &error), Problem());
}

// The word, and what was expected in its place.
TEST(Problem, ErrorsNameTheWordAndWhatWasExpected) {
  const struct {
    const char *text;
    const char *error;
  } cases[] = {
      {"", "'' of the problem '': expected an op first: conv2d, conv2d_backprop_input, conv2d_backprop_filter"},
      {"backprop_input h1",
       "'backprop_input' of the problem 'backprop_input h1': expected an op first: conv2d, conv2d_backprop_input, "
       "conv2d_backprop_filter"},
      {"conv2d h", "'h' of the problem 'conv2d h': expected h<rows>"},
      {"conv2d h1x", "'h1x' of the problem 'conv2d h1x': expected h<rows>"},
      {"conv2d h+1", "'h+1' of the problem 'conv2d h+1': expected h<rows>"},
      {"conv2d w9223372036854775808",
       "'w9223372036854775808' of the problem 'conv2d w9223372036854775808': expected w<columns>"},
      {"conv2d r3", "'r3' of the problem 'conv2d r3': expected r<rows>x<columns>"},
      {"conv2d r3x3x3", "'r3x3x3' of the problem 'conv2d r3x3x3': expected r<rows>x<columns>"},
      {"conv2d pFULL",
       "'pFULL' of the problem 'conv2d pFULL': expected pSAME, pVALID or p<top>,<bottom>,<left>,<right>"},
      {"conv2d p1,2,3",
       "'p1,2,3' of the problem 'conv2d p1,2,3': expected pSAME, pVALID or p<top>,<bottom>,<left>,<right>"},
      {"conv2d gap", "'gap' of the problem 'conv2d gap': expected gap<elements>"},
      {"conv2d n1 h2 n1", "'n1' of the problem 'conv2d n1 h2 n1': n was given before"},
      {"conv2d f32 f64", "'f64' of the problem 'conv2d f32 f64': an element type was given before"},
      {"conv2d c3 g2", "'g2' of the problem 'conv2d c3 g2': expected a divisor of c, which is 3"},
      {"conv2d g0", "'g0' of the problem 'conv2d g0': expected a divisor of c, which is 1"},
      {"conv2d z2",
       "'z2' of the problem 'conv2d z2': expected an element type (f32, f64, f16, bf16), NHWC, NCHW, gap<elements>, "
       "spread<stride>, n<images>, h<rows>, w<columns>, c<input channels>, r<rows>x<columns>, k<output channels>, "
       "s<rows>x<columns>, d<rows>x<columns>, pSAME, pVALID or p<top>,<bottom>,<left>,<right>, g<groups>"},
  };
  for (const auto &one : cases) {
    std::string error;
    EXPECT_FALSE(parse_problem(one.text, &error)) << one.text;
    EXPECT_EQ(error, one.error);
  }
}

TEST(Problem, ShapesAreTheTensors) {
  std::string error;
  std::optional<Shapes> shapes = example().shapes(&error);
  ASSERT_TRUE(shapes) << error;
  EXPECT_EQ(shapes->input, (Shape{2, 7, 9, 6}));
  EXPECT_EQ(shapes->filter, (Shape{3, 2, 3, 4}));
  EXPECT_EQ(shapes->output, (Shape{2, 3, 11, 4}));
  Problem nchw = example();
  nchw.data_format = CONVGRAD_NCHW;
  shapes = nchw.shapes(&error);
  ASSERT_TRUE(shapes) << error;
  EXPECT_EQ(shapes->input, (Shape{2, 6, 7, 9}));
  EXPECT_EQ(shapes->filter, (Shape{3, 2, 3, 4}));
  EXPECT_EQ(shapes->output, (Shape{2, 4, 3, 11}));
  EXPECT_EQ(&shapes->argument(CONVGRAD_OP_CONV2D, 2), &shapes->output);
  EXPECT_EQ(&shapes->argument(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 0), &shapes->filter);
  EXPECT_EQ(&shapes->argument(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, 2), &shapes->input);
  EXPECT_EQ(&shapes->argument(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, 1), &shapes->output);
}

// What has no output is the library's to say.
TEST(Problem, ShapesThatAreNone) {
  std::string error;
  EXPECT_FALSE(parse_problem("conv2d h1 w1 r9x9", &error)->shapes(&error));
  EXPECT_NE(error.find("output"), std::string::npos) << error;
}

TEST(Problem, DtypesAreThoseOfTheApi) {
  EXPECT_EQ(dtype_info(CONVGRAD_FLOAT32).bytes, 4);
  EXPECT_EQ(dtype_info(CONVGRAD_FLOAT32).sum_eps, std::numeric_limits<float>::epsilon());
  EXPECT_EQ(dtype_info(CONVGRAD_FLOAT32).mantissa_bits, std::numeric_limits<float>::digits);
  EXPECT_EQ(dtype_info(CONVGRAD_FLOAT64).bytes, 8);
  EXPECT_EQ(dtype_info(CONVGRAD_FLOAT64).sum_eps, std::numeric_limits<double>::epsilon());
  EXPECT_EQ(dtype_info(CONVGRAD_FLOAT64).mantissa_bits, std::numeric_limits<double>::digits);
  for (convgrad_dtype dtype = 0; dtype < kDtypes; ++dtype) {
    EXPECT_EQ(dtype_info(dtype).dtype, dtype);
    EXPECT_EQ(dtype_of_name(dtype_info(dtype).name), dtype);
  }
  EXPECT_FALSE(dtype_of_name("float"));
}

}  // namespace
}  // namespace convgrad::problems
