// One convolution problem, element type and layout included, and its text, which can be read back:
//   conv2d_backprop_filter f32 n2 h7 w9 c5 r3x3 k4 s2x1 d1x1 p1,0,1,1 g1 NHWC
// The one notation of tests, tools and benchmarks; docs/problems.md describes it. Needs convgrad.h and the standard
// library alone; shapes() asks whichever libconvgrad the program is linked with.
#ifndef CONVGRAD_PROBLEM_PROBLEM_H
#define CONVGRAD_PROBLEM_PROBLEM_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "convgrad/convgrad.h"

namespace convgrad::problems {

using Shape = std::array<int64_t, 4>;

// Of dense tensors; images in the problem's data format, filters in HWIO.
struct Shapes {
  Shape input, filter, output;

  // Of the op's first argument, its second, and its result (0, 1, 2).
  const Shape &argument(convgrad_op op, int index) const;
};

// The defaults are those of fields that a text leaves out.
struct Problem {
  convgrad_op op = CONVGRAD_OP_CONV2D;
  convgrad_dtype dtype = CONVGRAD_FLOAT32;
  int64_t batch = 1;
  int64_t in_height = 1;
  int64_t in_width = 1;
  int64_t in_channels = 1;  // of the whole image, as are out_channels
  int64_t filter_height = 1;
  int64_t filter_width = 1;
  int64_t out_channels = 1;
  int64_t groups = 1;
  std::array<int64_t, 2> strides = {1, 1};    // height, width
  std::array<int64_t, 2> dilations = {1, 1};  // height, width
  convgrad_padding padding = CONVGRAD_VALID;
  std::array<int64_t, 4> explicit_paddings = {0, 0, 0, 0};  // top, bottom, left, right
  convgrad_data_format data_format = CONVGRAD_NHWC;
  // Of tensors that are not dense: elements between rows, columns and images, and the innermost dimension's stride.
  int64_t gap = 0;
  int64_t spread = 1;

  bool has_strided_tensors() const { return gap != 0 || spread != 1; }
  std::string to_string() const;  // every field, but for gap and spread of dense tensors
  convgrad_conv2d_attrs attrs() const;
  Shape input_shape() const;
  Shape filter_shape() const;
  // With the output's as the library says. Empty, with its reason in *error, where it says that there is none.
  std::optional<Shapes> shapes(std::string *error) const;
};

bool operator==(const Problem &a, const Problem &b);
inline bool operator!=(const Problem &a, const Problem &b) { return !(a == b); }

// The text's fields in any order behind the op's name. Empty where it is none, with the word and what was expected in
// *error. Sizes are not judged, but for groups that do not divide the input's channels: that filter has no shape.
std::optional<Problem> parse_problem(const std::string &text, std::string *error);

// The number of a field, as strict as parse_problem: digits after at most a minus sign, and nothing else.
bool parse_number(const std::string &text, int64_t *value);

constexpr int kOps = 3;
const char *op_name(convgrad_op op);  // of its function, without convgrad_; "unknown" for none
std::optional<convgrad_op> op_of_name(const std::string &name);

// An element type.
struct Dtype {
  convgrad_dtype dtype;
  const char *name;      // f32, f64, f16, bf16
  const char *api_name;  // FLOAT32
  int64_t bytes;         // of an element
  int mantissa_bits;     // of an element, the leading one counted
  double sum_eps;        // the distance of 1 from the next number of the type of sums
};
constexpr int kDtypes = 4;
const Dtype &dtype_info(convgrad_dtype dtype);  // of a convgrad_dtype, which any other value is not
std::optional<convgrad_dtype> dtype_of_name(const std::string &name);

}  // namespace convgrad::problems

#endif  // CONVGRAD_PROBLEM_PROBLEM_H
