// The gradient problems of TensorFlow's own tests, from data/tensorflow_cases.json.
#ifndef CONVGRAD_TESTS_SUPPORT_TENSORFLOW_CASES_H
#define CONVGRAD_TESTS_SUPPORT_TENSORFLOW_CASES_H

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/problem.h"

namespace convgrad::test {

struct TensorFlowCase {
  std::string name;
  Problem problem;
  std::array<int64_t, 4> output_sizes;  // NHWC
  std::array<int64_t, 4> pads;          // top, bottom, left, right, as TensorFlow resolved them
  std::vector<double> first, second;    // in logical order
  std::vector<double> expected;         // in the result's own layout; empty where only the checksum is known
  int64_t size = 0;
  double sum = 0, sum_of_squares = 0, max_abs = 0;
  std::vector<std::pair<size_t, double>> samples;  // index in the result's own layout, value
};

std::vector<TensorFlowCase> load_tensorflow_cases();

// Judges a result in logical order.
::testing::AssertionResult agrees_with(const TensorFlowCase &reference_case, const std::vector<double> &result);

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_SUPPORT_TENSORFLOW_CASES_H
