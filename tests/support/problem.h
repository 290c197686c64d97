// The tests' problems: where their elements lie in memory, by the reference's sizes, and lists of them.
#ifndef CONVGRAD_TESTS_SUPPORT_PROBLEM_H
#define CONVGRAD_TESTS_SUPPORT_PROBLEM_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "problem/problem.h"
#include "reference/reference.h"

namespace convgrad::test {

using problems::op_name;
using problems::parse_problem;
using problems::Problem;

reference::Sizes sizes_of(const Problem &problem);
bool is_defined(const Problem &problem);  // no output size is negative
int64_t multiply_adds(const Problem &problem);

// Where the elements of a tensor lie. Logical order is NHWC for images and HWIO for filters.
struct Layout {
  std::array<int64_t, 4> shape = {};    // in the tensor's own order
  std::array<int64_t, 4> strides = {};  // in elements, never 0 for a dense tensor
  bool dense = true;
  bool channels_first = false;
  convgrad_dtype dtype = CONVGRAD_FLOAT32;

  int64_t size() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
  int64_t span() const;  // elements from the first to one past the last
  size_t bytes() const { return static_cast<size_t>(span() * problems::dtype_info(dtype).bytes); }
  // Memory offset of each element, in logical order.
  std::vector<int64_t> offsets() const;
  convgrad_tensor tensor(void *data) const;
};

// The three tensors of a call, in the order of the op's function.
struct Layouts {
  Layout first, second, result;
};
Layouts layouts_of(const Problem &problem);

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

// Each of them in each element type of the build's kernels.
std::vector<Problem> in_each_dtype(const std::vector<Problem> &problems);

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_PROBLEM_H
