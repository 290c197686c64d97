// One convolution problem of the tests, the benchmark and the tuner, with a printed form that can be read back.
#ifndef CONVGRAD_TESTS_SUPPORT_PROBLEM_H
#define CONVGRAD_TESTS_SUPPORT_PROBLEM_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convgrad/convgrad.h"
#include "reference/reference.h"

namespace convgrad::test {

// Printed as, for example,
//   backprop_filter n2 h7 w9 c5 r3x3 k4 s2x1 d1x1 p1,0,1,1 g1 NHWC
// c and k are the channels of the whole image, p is pVALID, pSAME or top,bottom,left,right. Strided tensors append
// gap<elements between rows, columns and images> or spread<stride of the innermost dimension>.
struct Problem {
  convgrad_op op = CONVGRAD_OP_CONV2D;
  int64_t batch = 1;
  int64_t in_height = 1;
  int64_t in_width = 1;
  int64_t in_channels = 1;
  int64_t filter_height = 1;
  int64_t filter_width = 1;
  int64_t out_channels = 1;
  int64_t groups = 1;
  std::array<int64_t, 2> strides = {1, 1};
  std::array<int64_t, 2> dilations = {1, 1};
  convgrad_padding padding = CONVGRAD_VALID;
  std::array<int64_t, 4> explicit_paddings = {0, 0, 0, 0};
  convgrad_data_format data_format = CONVGRAD_NHWC;
  int64_t gap = 0;
  int64_t spread = 1;

  bool has_strided_tensors() const { return gap != 0 || spread != 1; }
  std::string to_string() const;
  reference::Sizes sizes() const;
  bool is_defined() const;  // no output size is negative
  int64_t multiply_adds() const;
  convgrad_conv2d_attrs attrs() const;
};

// What a tensor of a problem holds.
enum class Role { kImage, kFilter };

// Where the elements of a tensor lie. Logical order is NHWC for images and HWIO for filters.
struct Layout {
  std::array<int64_t, 4> shape = {};    // in the tensor's own order
  std::array<int64_t, 4> strides = {};  // in elements, never 0 for a dense tensor
  bool dense = true;
  bool channels_first = false;

  int64_t size() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
  int64_t span() const;  // elements from the first to one past the last
  // Memory offset of each element, in logical order.
  std::vector<int64_t> offsets() const;
  convgrad_tensor tensor(void *data) const;
};

// The three tensors of a call, in the order of the op's function.
struct Layouts {
  Layout first, second, result;
};
Layouts layouts_of(const Problem &problem);

const char *op_name(convgrad_op op);  // conv2d, backprop_input, backprop_filter

// Empty, with a reason in *error, where the line is no problem.
std::optional<Problem> parse_problem(const std::string &line, std::string *error);

// The problems of tests/shapes/<name>: one a line, # starts a comment. In such a line
//   all           stands for the three ops,
//   fixed         for every filter and stride that a kernel of the build fixes,
//   a..b, a..b/2  for each number of the range,
//   h+2, w+0      for an image two rows higher than the filter, one as wide.
// Aborts on a line that cannot be read.
std::vector<Problem> load_shapes(const std::string &name);

// The problems of one line of such a file. None and no error: the line says `fixed`, and the build has generic kernels
// only.
std::vector<Problem> expand_shapes(const std::string &line, std::string *error);

// The problems of several lines. Aborts on one that cannot be read.
std::vector<Problem> expand_all(const std::vector<std::string> &lines);

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_PROBLEM_H
