// Winograd kernels, against a more precise type: |error| <= (L + kWinogradFactor) * eps * M, where L is the number of
// products of an element and M is sum|a*b| with every pixel of an image's channel taken as large as that channel's
// largest.
//
// The error is that of all products in a tile, so sum|a*b| of the element alone bounds nothing: a large pixel harms
// outputs beside it that it does not contribute to. The bound is stated here, and in docs/accuracy.md with what was
// measured.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>

#include "support/kernel_fixture.h"

namespace convgrad::test {
namespace {

constexpr double kWinogradFactor = 100;

const std::vector<std::string> kShapes = {
    "all n2 h9 w11 c16 k24 r3x3 pSAME", "all n1 h12 w10 c1 k1 r3x3 pSAME",     "all n1 h13 w14 c3 k130 r3x3 pSAME",
    "all n3 h7 w7 c64 k48 r3x3 pSAME",  "all n2 h10 w9 c30 k20 r3x3 p1,0,0,1", "all n1 h8 w8 c300 k20 r3x3 pSAME",
    "all n2 h28 w28 c5 k9 r3x3 pVALID", "all n2 h5 w30 c33 k17 r3x3 p2,2,2,2", "all n9 h4 w4 c20 k19 r3x3 pSAME",
};

// What is done to random reals in [-1, 1), given the element's index.
struct Kind {
  const char *name;
  std::function<double(double, size_t)> change;  // then rounded to an element
};

const std::vector<Kind> &kinds() {
  static const std::vector<Kind> kinds = {
      {"random", [](double x, size_t) { return x; }},
      {"positive", [](double x, size_t) { return std::fabs(x); }},
      {"equal", [](double, size_t) { return 0.7; }},
      {"alternating", [](double x, size_t i) { return i % 2 == 0 ? 1 + x * 0x1p-12 : -1 - x * 0x1p-12; }},
      {"of all magnitudes", [](double x, size_t i) { return std::ldexp(x, static_cast<int>(i * 7919 % 41) - 20); }},
      {"one of many is large", [](double x, size_t i) { return i % 97 == 13 ? x * 0x1p20 : x; }},
      {"many are zero", [](double x, size_t i) { return i % 5 == 0 ? x : 0.0; }},
  };
  return kinds;
}

// Every pixel of an image's channel becomes its largest magnitude. Values are in the order NHWC.
std::vector<double> spread(const std::vector<double> &values, int64_t batch, int64_t channels) {
  std::vector<double> largest(static_cast<size_t>(batch * channels));
  const size_t image = values.size() / static_cast<size_t>(batch);
  const auto at = [&](size_t i) -> double & {
    return largest[i / image * static_cast<size_t>(channels) + i % static_cast<size_t>(channels)];
  };
  for (size_t i = 0; i < values.size(); ++i) at(i) = std::max(at(i), std::fabs(values[i]));
  std::vector<double> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) result[i] = at(i);
  return result;
}

// The largest value of each (image and) channel of a result, at each of its elements: borders meet fewer taps than the
// tiles that they belong to.
std::vector<long double> largest_of_channel(const std::vector<long double> &values, int64_t images, int64_t channels) {
  std::map<size_t, long double> largest;
  const size_t image = values.size() / static_cast<size_t>(images);
  const auto key = [&](size_t i) {
    return i / image * static_cast<size_t>(channels) + i % static_cast<size_t>(channels);
  };
  for (size_t i = 0; i < values.size(); ++i) largest[key(i)] = std::max(largest[key(i)], values[i]);
  std::vector<long double> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) result[i] = largest[key(i)];
  return result;
}

struct Case {
  Data data;
  std::vector<long double> sum;       // sum |a*b|
  std::vector<long double> bound;     // M
  std::vector<long double> products;  // L
};

Case make_case(const Problem &problem, const Kind &kind, uint64_t seed) {
  Case result;
  Data &data = result.data;
  data = real_data(problem, seed);
  for (std::vector<double> *values : {&data.first, &data.second}) {
    for (size_t i = 0; i < values->size(); ++i) (*values)[i] = rounded(problem.dtype, kind.change((*values)[i], i));
  }
  data.expected = reference_result(problem, data.first, data.second);
  const std::vector<double> first = reference::magnitudes(data.first), second = reference::magnitudes(data.second);
  result.sum = reference_result(problem, first, second);
  result.products =
      reference_result(problem, std::vector<double>(first.size(), 1), std::vector<double>(second.size(), 1));
  switch (problem.op) {
    case CONVGRAD_OP_CONV2D:
      result.bound =
          largest_of_channel(reference_result(problem, spread(first, problem.batch, problem.in_channels), second),
                             problem.batch, problem.out_channels);
      break;
    case CONVGRAD_OP_CONV2D_BACKPROP_INPUT:
      result.bound =
          largest_of_channel(reference_result(problem, first, spread(second, problem.batch, problem.out_channels)),
                             problem.batch, problem.in_channels);
      break;
    default:
      // All taps of a pair of channels.
      result.bound =
          largest_of_channel(reference_result(problem, spread(first, problem.batch, problem.in_channels), second), 1,
                             problem.in_channels * problem.out_channels);
  }
  return result;
}

const Case &case_of(const Problem &problem, const Kind &kind, uint64_t seed) {
  static std::map<std::string, Case> cache;  // for all kernels of an op
  const std::string key = problem.to_string() + kind.name + std::to_string(seed);
  const auto found = cache.find(key);
  return found != cache.end() ? found->second : cache.emplace(key, make_case(problem, kind, seed)).first->second;
}

class WinogradBound : public KernelTest {};

TEST_P(WinogradBound, AgainstMorePreciseSums) {
  const double eps = problems::dtype_info(kernel().dtype).sum_eps;
  double worst = 0;            // in units of the bound
  double random_multiple = 0;  // of eps * sum|a*b|, on random data
  int accepted = 0;
  for (const Problem &problem : mine(expand_all(kShapes))) {
    for (const Kind &kind : kinds()) {
      for (uint64_t seed : {1, 2, 3}) {
        const Case &one = case_of(problem, kind, seed);
        Outcome outcome;
        if (!run(problem, one.data.first, one.data.second, &outcome)) continue;
        ++accepted;
        ASSERT_EQ(outcome.status, CONVGRAD_OK) << outcome.message << "\n" << problem.to_string();
        ASSERT_EQ(outcome.damage, "") << problem.to_string();
        for (size_t i = 0; i < outcome.result.size(); ++i) {
          const auto off = static_cast<double>(std::fabs(outcome.result[i] - one.data.expected[i]));
          const auto bound = static_cast<double>((one.products[i] + kWinogradFactor) * eps * one.bound[i]);
          // Written so that a NaN fails.
          ASSERT_TRUE(off <= bound) << "element " << i << " of " << problem.to_string() << ", data " << kind.name
                                    << ", seed " << seed << " is " << outcome.result[i] << ", expected "
                                    << one.data.expected[i] << " within " << bound;
          if (bound > 0) worst = std::max(worst, off / bound);
          if (&kind == &kinds().front() && one.sum[i] > 0) {
            random_multiple = std::max(random_multiple, off / (eps * static_cast<double>(one.sum[i])));
          }
        }
      }
    }
  }
  EXPECT_GE(accepted, 100);
  EXPECT_GT(worst, 0);
  std::printf("%s: largest error %.3f of its bound; %.2f eps * sum|a*b| on random data\n", kernel().name, worst,
              random_multiple);
}

std::vector<const convgrad_kernel_info *> winograd_kernels() {
  std::vector<const convgrad_kernel_info *> kernels = all_kernels();
  kernels.erase(std::remove_if(kernels.begin(), kernels.end(), [](const auto *k) { return !is_winograd(k->name); }),
                kernels.end());
  return kernels;
}

// A quick build may have none.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WinogradBound);
INSTANTIATE_TEST_SUITE_P(Kernels, WinogradBound, ::testing::ValuesIn(winograd_kernels()), kernel_test_name);

}  // namespace
}  // namespace convgrad::test
