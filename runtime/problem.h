// A validated problem: one struct for all three directions of a convolution.
#ifndef CONVGRAD_RUNTIME_PROBLEM_H
#define CONVGRAD_RUNTIME_PROBLEM_H

#include <cstdint>
#include <type_traits>

#include "api.h"

namespace convgrad {

// In the order of convgrad_dtype.
struct Dtype {
  const char *name;
  const char *short_name;  // in kernels' names and in texts of problems
  int64_t bytes;           // of an element
  convgrad_dtype dtype;
  bool sums_as_stored;  // sums have the type that lies in memory
};
constexpr Dtype kDtypes[] = {
#define CONVGRAD_DTYPE(constant, name, halide, storage, accumulator, bytes, eps) \
  {#constant, #name, bytes, CONVGRAD_##constant, std::is_same_v<storage, accumulator>},
#include "dtypes.inc"
#undef CONVGRAD_DTYPE
};
#define CONVGRAD_DTYPE(constant, name, halide, storage, accumulator, bytes, eps)                         \
  static_assert(kDtypes[CONVGRAD_##constant].dtype == CONVGRAD_##constant, "in convgrad_dtype's order"); \
  static_assert(sizeof(storage) == (bytes), "what an element takes");
#include "dtypes.inc"
#undef CONVGRAD_DTYPE

constexpr int64_t dtype_size(convgrad_dtype dtype) { return kDtypes[dtype].bytes; }

// The four dimensions by ascending stride.
inline void order_by_stride(const int64_t stride[4], int order[4]) {
  for (int i = 0; i < 4; ++i) {
    int j = i;
    for (; j > 0 && stride[i] < stride[order[j - 1]]; --j) order[j] = order[j - 1];
    order[j] = i;
  }
}

// Wide enough for any sum of products of two int64, such as the extent of a dilated filter.
__extension__ typedef __int128 Wide;

// What a tensor is in the forward convolution, whichever direction is computed.
enum Role { INPUT = 0, FILTER = 1, OUTPUT = 2 };

// How an op's function names its arguments, in their order; the result is the last.
struct OpInfo {
  convgrad_op op;
  const char *name;
  const char *argument[3];
  Role role[3];

  const char *argument_of(Role r) const { return argument[role[0] == r ? 0 : role[1] == r ? 1 : 2]; }
  constexpr Role result() const { return role[2]; }
};

// In the order of convgrad_op.
constexpr OpInfo kOps[] = {
#define CONVGRAD_OP(constant, name, first, first_role, second, second_role, result, result_role) \
  {CONVGRAD_OP_##constant, #name, {#first, #second, #result}, {first_role, second_role, result_role}},
#include "ops.inc"
#undef CONVGRAD_OP
};
#define CONVGRAD_OP(constant, ...) \
  static_assert(kOps[CONVGRAD_OP_##constant].op == CONVGRAD_OP_##constant, "in convgrad_op's order");
#include "ops.inc"
#undef CONVGRAD_OP

// The role of an op's result.
constexpr Role result_of(convgrad_op op) { return kOps[op].role[2]; }

// One spatial dimension. Output position p and tap r meet input row p * stride + r * dilation - before.
struct Axis {
  int64_t in, taps, out;
  int64_t stride, dilation;
  Wide before;  // padding; negative once leading positions or taps have been dropped
};

enum { HEIGHT = 0, WIDTH = 1 };  // the two axes, in the order of the API's pairs

// Dimensions are Halide's, innermost first: images (c, w, h, n), filters (k, c, s, r).
constexpr int image_dimension(int axis) { return axis == HEIGHT ? 2 : 1; }
constexpr int filter_dimension(int axis) { return axis == HEIGHT ? 3 : 2; }

struct Tensor {
  int64_t size[4];
  int64_t stride[4];  // in elements
  int64_t byte_offset;
  convgrad_memory memory;
  int64_t span;  // bytes from the first element's to behind the last one's; 0: no elements
};

struct Problem {
  convgrad_op op;
  convgrad_dtype dtype;
  int64_t batch, in_channels, out_channels, groups;  // channels of all groups together
  Axis axis[2];
  Tensor tensor[3];  // by Role
};

}  // namespace convgrad

#endif
