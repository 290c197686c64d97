#include "generators/winograd.h"

namespace convgrad {
namespace winograd {
namespace {

using Halide::Expr;

// The points. Largest errors of 0, +-3/4, +-3/2 are about half of those of the usual 0, +-1, +-2, since no power of a
// point is far from 1; and A^T and B^T have no rounded constant. (docs/measurements/winograd.md)
constexpr double kA = 0.75, kB = 1.5;
constexpr double kA2 = kA * kA, kB2 = kB * kB;

// A constant of the type of what it meets.
struct Constants {
  Halide::Type type;
  Expr operator()(double value) const { return Halide::Internal::make_const(type, value); }
};

}  // namespace

Exprs transform_input(const Exprs &d) {
  const Constants constant = {d[0].type()};
  const Expr even_a = d[4] - constant(kB2) * d[2], odd_a = constant(kA) * (d[3] - constant(kB2) * d[1]);
  const Expr even_b = d[4] - constant(kA2) * d[2], odd_b = constant(kB) * (d[3] - constant(kA2) * d[1]);
  const Expr sum = constant(kA2 + kB2), product = constant(kA2 * kB2);
  return {product * d[0] + (d[4] - sum * d[2]), even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b,
          product * d[1] + (d[5] - sum * d[3])};
}

Exprs transform_filter(const Exprs &g) {
  const Constants constant = {g[0].type()};
  // G's row of a point is divided by the product of its distances to the others.
  const double scale_0 = 1 / (kA2 * kB2), scale_a = 1 / (2 * kA2 * (kA2 - kB2)), scale_b = 1 / (2 * kB2 * (kB2 - kA2));
  const auto even = [&](double scale, double square) {
    return constant(scale) * g[0] + constant(scale * square) * g[2];
  };
  const auto odd = [&](double scale, double point) {
    const Expr first = constant(scale * point) * g[1];
    return g.size() == 3 ? first : first + constant(scale * point * point * point) * g[3];
  };
  const Expr even_a = even(scale_a, kA2), odd_a = odd(scale_a, kA);
  const Expr even_b = even(scale_b, kB2), odd_b = odd(scale_b, kB);
  return {constant(scale_0) * g[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g.back()};
}

Exprs transform_output(const Exprs &m, int n) {
  const Constants constant = {m[0].type()};
  const Expr sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  Exprs y = {m[0] + (sum_a + sum_b), constant(kA) * difference_a + constant(kB) * difference_b,
             constant(kA2) * sum_a + constant(kB2) * sum_b};
  if (n == 4) {
    y.push_back(constant(kA * kA2) * difference_a + constant(kB * kB2) * difference_b);
  }
  y.back() += m[5];
  return y;
}

Expr transformed(const Transform &transform, Halide::Func f, int size, const Expr &i,
                 const std::function<Exprs(Expr)> &at) {
  Exprs values;
  for (int position = 0; position < size; position++) {
    values.push_back(f(at(position)));
  }
  return Halide::mux(i, transform(values));
}

}  // namespace winograd
}  // namespace convgrad
