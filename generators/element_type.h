// The element types of runtime/dtypes.inc for generators: what lies in memory, and what sums are of.
#ifndef CONVGRAD_GENERATORS_ELEMENT_TYPE_H
#define CONVGRAD_GENERATORS_ELEMENT_TYPE_H

#include <Halide.h>

#include <cstdint>
#include <string>

namespace convgrad {

struct ElementType {
  Halide::Type storage, accumulator;

  static ElementType named(const std::string &name) {
#define CONVGRAD_DTYPE(constant, short_name, halide, storage, accumulator, bytes, eps) \
  if (name == #short_name) return {Halide::halide, Halide::type_of<accumulator>()};
#include "runtime/dtypes.inc"
#undef CONVGRAD_DTYPE
    _halide_user_error << "dtype is " << name << ", expected a name of runtime/dtypes.inc";
    return {};
  }
};

}  // namespace convgrad

#endif  // CONVGRAD_GENERATORS_ELEMENT_TYPE_H
