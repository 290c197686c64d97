// A NaN or an infinity reaches every output that its element contributes to. Outputs that would meet it only outside a
// tensor may have it or not; all others are as if it were not there. A Winograd kernel may spread it over the tile of
// pixels, or over the filter's taps, that the element belongs to, for the same image and channels.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "support/kernel_fixture.h"

namespace convgrad::test {
namespace {

const std::vector<std::string> kShapes = {
    "all n2 h6 w7 c5 k6 fixed pSAME",        "all n2 h7 w8 c9 k17 fixed pSAME",
    "all n2 h+3 w+2 c18 k5 fixed",           "all n2 h7 w19 c4 k6 fixed pSAME",
    "all n2 h7 w8 c4 k6 g2 r3x3 pSAME",      "all n2 h9 w9 c3 k4 r3x2 s2x3 d2x1 p1,2,0,3",
    "all n2 h6 w7 c5 k6 r3x3 p1,1,1,1 NCHW",
};

constexpr int64_t kMostPadding = 2;  // of the problems here that have a filter of 3 x 3

enum class Relation { kIndependent, kOutside, kContributes };

// Where an element stands on one axis: exactly two of the three are known (>= 0).
struct Position {
  int64_t in = -1, tap = -1, out = -1;
};

// An input position, a tap and an output position belong together where in = out * stride + tap * dilation - before.
Relation relate(const reference::Axis &axis, const Position &at) {
  if (at.tap < 0) {
    const int64_t offset = at.in + axis.before - at.out * axis.stride;
    const bool contributes = offset >= 0 && offset % axis.dilation == 0 && offset / axis.dilation < axis.filter;
    return contributes ? Relation::kContributes : Relation::kIndependent;
  }
  if (at.in < 0) {
    const int64_t in = at.out * axis.stride + at.tap * axis.dilation - axis.before;
    return in >= 0 && in < axis.in ? Relation::kContributes : Relation::kOutside;
  }
  const int64_t offset = at.in + axis.before - at.tap * axis.dilation;
  if (offset % axis.stride != 0) return Relation::kIndependent;
  return offset >= 0 && offset / axis.stride < axis.out ? Relation::kContributes : Relation::kOutside;
}

// Whether a Winograd kernel may let an element meet an output that does not depend on it: a tile of 4 x 4 pixels meets
// 6 x 6 others, and all taps are computed together.
bool may_spread(const Position &operand, const Position &result) {
  const int64_t from = std::max(operand.in, operand.out), to = std::max(result.in, result.out);
  return from < 0 || to < 0 || std::abs(from - to) < 6 + kMostPadding;
}

enum class Tensor { kInput, kFilter, kOutput };

std::array<Tensor, 3> tensors_of(convgrad_op op) {
  switch (op) {
    case CONVGRAD_OP_CONV2D:
      return {Tensor::kInput, Tensor::kFilter, Tensor::kOutput};
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      return {Tensor::kFilter, Tensor::kOutput, Tensor::kInput};
    default:
      return {Tensor::kInput, Tensor::kOutput, Tensor::kFilter};
  }
}

// An element of one of the tensors, as far as it says which others it may meet; -1: says nothing.
struct Element {
  int64_t batch = -1, group = -1, in_channel = -1, out_channel = -1;
  Position y, x;
};

Element locate(const Problem &problem, Tensor tensor, int64_t index) {
  const reference::Sizes sizes = sizes_of(problem);
  const int64_t group_in = problem.in_channels / problem.groups;
  const int64_t group_out = problem.out_channels / problem.groups;
  const auto take = [&](int64_t extent) {
    const int64_t at = index % extent;
    index /= extent;
    return at;
  };
  Element element;
  switch (tensor) {
    case Tensor::kInput: {
      const int64_t channel = take(problem.in_channels);
      element.group = channel / group_in;
      element.in_channel = channel % group_in;
      element.x.in = take(problem.in_width);
      element.y.in = take(problem.in_height);
      element.batch = index;
      break;
    }
    case Tensor::kFilter: {
      const int64_t channel = take(problem.out_channels);
      element.group = channel / group_out;
      element.out_channel = channel % group_out;
      element.in_channel = take(group_in);
      element.x.tap = take(problem.filter_width);
      element.y.tap = index;
      break;
    }
    case Tensor::kOutput: {
      const int64_t channel = take(problem.out_channels);
      element.group = channel / group_out;
      element.out_channel = channel % group_out;
      element.x.out = take(sizes.width.out);
      element.y.out = take(sizes.height.out);
      element.batch = index;
      break;
    }
  }
  return element;
}

// Whether they are of different images or channels.
bool are_apart(const Element &operand, const Element &result) {
  const auto differ = [](int64_t a, int64_t b) { return a >= 0 && b >= 0 && a != b; };
  return differ(operand.batch, result.batch) || differ(operand.group, result.group) ||
         differ(operand.in_channel, result.in_channel) || differ(operand.out_channel, result.out_channel);
}

Relation relate(const reference::Sizes &sizes, const Element &operand, const Element &result) {
  if (are_apart(operand, result)) return Relation::kIndependent;
  const auto merge = [](const Position &a, const Position &b) {
    return Position{std::max(a.in, b.in), std::max(a.tap, b.tap), std::max(a.out, b.out)};
  };
  return std::min(relate(sizes.height, merge(operand.y, result.y)), relate(sizes.width, merge(operand.x, result.x)));
}

class NonFinite : public KernelTest {
 protected:
  // Poisons one element of an operand (0 or 1) and judges every element of the result.
  void check(const Problem &problem, const Data &data, size_t operand, size_t index, double poison) {
    std::array<std::vector<double>, 2> operands = {data.first, data.second};
    operands[operand][index] = poison;
    Outcome outcome;
    if (!run(problem, operands[0], operands[1], &outcome)) return;
    ASSERT_EQ(outcome.status, CONVGRAD_OK) << outcome.message;
    ASSERT_EQ(outcome.damage, "");
    const std::array<Tensor, 3> tensors = tensors_of(problem.op);
    const Element source = locate(problem, tensors[operand], static_cast<int64_t>(index));
    const reference::Sizes sizes = sizes_of(problem);
    for (size_t i = 0; i < outcome.result.size(); ++i) {
      const Element element = locate(problem, tensors[2], static_cast<int64_t>(i));
      Relation relation = relate(sizes, source, element);
      const bool rounds = is_winograd(kernel().name);
      if (rounds && relation == Relation::kIndependent && !are_apart(source, element) &&
          may_spread(source.y, element.y) && may_spread(source.x, element.x)) {
        relation = Relation::kOutside;
      }
      const double got = outcome.result[i];
      reached_ += relation == Relation::kContributes;
      spared_ += relation == Relation::kIndependent;
      if (relation == Relation::kContributes) {
        ASSERT_FALSE(std::isfinite(got)) << "element " << i << " lost the " << poison;
      } else if (relation == Relation::kIndependent || std::isfinite(got)) {
        ASSERT_NEAR(got, static_cast<double>(data.expected[i]), rounds ? 0.25 : 0)
            << "element " << i << " does not depend on the " << poison;
      }
    }
  }

  int64_t reached_ = 0;
  int64_t spared_ = 0;
};

TEST_P(NonFinite, ReachesWhatItContributesTo) {
  constexpr uint64_t kSeed = 7;
  for (const Problem &problem : mine(expand_all(kShapes))) {
    const Data data = integer_data(problem, kSeed);
    const std::array<size_t, 2> sizes = {data.first.size(), data.second.size()};
    for (size_t operand = 0; operand < 2; ++operand) {
      for (size_t index : {size_t{0}, sizes[operand] / 3, sizes[operand] * 5 / 7, sizes[operand] - 1}) {
        for (double poison : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                              -std::numeric_limits<double>::infinity()}) {
          check(problem, data, operand, index, poison);
          if (HasFatalFailure()) {
            FAIL() << problem.to_string() << " with " << poison << " at element " << index << " of operand " << operand
                   << ", seed " << kSeed << ", kernel " << kernel().name;
          }
        }
      }
    }
  }
  EXPECT_GT(reached_, 100);
  EXPECT_GT(spared_, 100);
}

CONVGRAD_INSTANTIATE_PER_KERNEL(NonFinite);

}  // namespace
}  // namespace convgrad::test
