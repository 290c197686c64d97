// Elements of any type in memory. Tests hold values as double, which has room for each of them.
#ifndef CONVGRAD_TESTS_SUPPORT_ELEMENTS_H
#define CONVGRAD_TESTS_SUPPORT_ELEMENTS_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "support/problem.h"

namespace convgrad::test {

// visit(T()), T being what lies in memory.
template <typename Visitor>
auto visit_dtype(convgrad_dtype dtype, const Visitor &visit) {
  switch (dtype) {
    case CONVGRAD_FLOAT32:
      return visit(float());
    case CONVGRAD_FLOAT64:
      return visit(double());
    default:
      std::fprintf(stderr, "the tests hold no elements of type %s yet\n", problems::dtype_info(dtype).name);
      std::abort();
  }
}

// As an element of the type.
double rounded(convgrad_dtype dtype, double value);

// Writes the values, in logical order, to where the layout has them in `memory`, and nothing between them. Aborts on
// one that is no element of the type: it would not be what the reference computes with.
void scatter(const Layout &layout, const std::vector<double> &values, void *memory);
// The way back.
std::vector<double> gather(const Layout &layout, const void *memory);
// Whether scatter() would write what is there, bit for bit.
bool holds(const Layout &layout, const std::vector<double> &values, const void *memory);

// Operands, in logical order, and a result in memory of their own, and calls with them. Calls allocate nothing here.
struct Tensors {
  Tensors(const Problem &problem, const std::vector<double> &first, const std::vector<double> &second);

  convgrad_status call(const convgrad_context *context);  // by the op's function
  convgrad_status make_plan(const convgrad_context *context, convgrad_plan **plan) const;
  convgrad_status run(const convgrad_plan *plan, void *workspace = nullptr);
  // In logical order.
  std::vector<double> result() const { return gather(layouts.result, memory[2].data()); }
  void clear_result();  // it becomes 0.5 everywhere

  Problem problem;
  convgrad_conv2d_attrs attrs;
  Layouts layouts;
  convgrad_tensor tensor[3];  // without the pointers to `memory`
  std::vector<char> memory[3];
};

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_ELEMENTS_H
