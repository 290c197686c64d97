#include "support/elements.h"

#include <cmath>
#include <cstring>

namespace convgrad::test {
namespace {

template <typename T>
T element_of(double value) {
  const T element = static_cast<T>(value);
  if (static_cast<double>(element) != value && !std::isnan(value)) {
    std::fprintf(stderr, "%.17g is no element of %zu bytes\n", value, sizeof(T));
    std::abort();
  }
  return element;
}

// visit(index, offset) for each element. Most layouts are in logical order, for which no offsets are computed.
template <typename Visitor>
void for_each_element(const Layout &layout, const Visitor &visit) {
  if (layout.dense && !layout.channels_first) {
    for (int64_t i = 0; i < layout.size(); ++i) visit(static_cast<size_t>(i), i);
    return;
  }
  const std::vector<int64_t> offsets = layout.offsets();
  for (size_t i = 0; i < offsets.size(); ++i) visit(i, offsets[i]);
}

void require_size(const Layout &layout, const std::vector<double> &values) {
  if (static_cast<int64_t>(values.size()) != layout.size()) std::abort();  // a defect of the test
}

}  // namespace

double rounded(convgrad_dtype dtype, double value) {
  return visit_dtype(dtype, [&](auto type) { return static_cast<double>(static_cast<decltype(type)>(value)); });
}

void scatter(const Layout &layout, const std::vector<double> &values, void *memory) {
  require_size(layout, values);
  visit_dtype(layout.dtype, [&](auto type) {
    using T = decltype(type);
    T *elements = static_cast<T *>(memory);
    for_each_element(layout, [&](size_t i, int64_t offset) { elements[offset] = element_of<T>(values[i]); });
  });
}

std::vector<double> gather(const Layout &layout, const void *memory) {
  std::vector<double> values(static_cast<size_t>(layout.size()));
  visit_dtype(layout.dtype, [&](auto type) {
    using T = decltype(type);
    const T *elements = static_cast<const T *>(memory);
    for_each_element(layout, [&](size_t i, int64_t offset) { values[i] = static_cast<double>(elements[offset]); });
  });
  return values;
}

bool holds(const Layout &layout, const std::vector<double> &values, const void *memory) {
  require_size(layout, values);
  bool same = true;
  visit_dtype(layout.dtype, [&](auto type) {
    using T = decltype(type);
    const T *elements = static_cast<const T *>(memory);
    for_each_element(layout, [&](size_t i, int64_t offset) {
      const T element = element_of<T>(values[i]);
      same = same && std::memcmp(&element, elements + offset, sizeof element) == 0;
    });
  });
  return same;
}

Tensors::Tensors(const Problem &p, const std::vector<double> &first, const std::vector<double> &second)
    : problem(p), attrs(p.attrs()), layouts(layouts_of(p)) {
  const Layout *all[] = {&layouts.first, &layouts.second, &layouts.result};
  for (size_t i = 0; i < 3; ++i) {
    memory[i].resize(all[i]->bytes());
    tensor[i] = all[i]->tensor(nullptr);
  }
  scatter(layouts.first, first, memory[0].data());
  scatter(layouts.second, second, memory[1].data());
}

convgrad_status Tensors::call(const convgrad_context *context) {
  convgrad_tensor with_data[3];
  for (size_t i = 0; i < 3; ++i) {
    with_data[i] = tensor[i];
    with_data[i].data = memory[i].data();
  }
  const auto function = problem.op == CONVGRAD_OP_CONV2D                  ? convgrad_conv2d
                        : problem.op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT ? convgrad_conv2d_backprop_input
                                                                          : convgrad_conv2d_backprop_filter;
  return function(context, &attrs, &with_data[0], &with_data[1], &with_data[2]);
}

convgrad_status Tensors::make_plan(const convgrad_context *context, convgrad_plan **plan) const {
  return convgrad_plan_create(context, problem.op, &attrs, &tensor[0], &tensor[1], &tensor[2], plan);
}

convgrad_status Tensors::run(const convgrad_plan *plan, void *workspace) {
  return convgrad_plan_run(plan, memory[0].data(), memory[1].data(), memory[2].data(), workspace);
}

void Tensors::clear_result() {
  scatter(layouts.result, std::vector<double>(static_cast<size_t>(layouts.result.size()), 0.5), memory[2].data());
}

}  // namespace convgrad::test
