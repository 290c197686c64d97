#include "launch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace convgrad {
namespace {

// Zeros exactly the elements of the layout.
void expect_filled(const int64_t (&size)[4], const int64_t (&stride)[4]) {
  std::vector<float> memory(400, 1.0f), expected(400, 1.0f);
  for (int64_t d = 0; d < size[3]; ++d) {
    for (int64_t c = 0; c < size[2]; ++c) {
      for (int64_t b = 0; b < size[1]; ++b) {
        for (int64_t a = 0; a < size[0]; ++a) {
          expected[static_cast<size_t>(10 + a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3])] = 0;
        }
      }
    }
  }
  fill_zeros(reinterpret_cast<char *>(memory.data() + 10), size, stride, sizeof(float));
  EXPECT_EQ(memory, expected);
}

TEST(FillZeros, Dense) { expect_filled({2, 3, 4, 5}, {1, 2, 6, 24}); }
TEST(FillZeros, ChannelsFirst) { expect_filled({2, 3, 4, 5}, {12, 1, 3, 24}); }
TEST(FillZeros, RowsApart) { expect_filled({2, 3, 4, 5}, {1, 2, 7, 60}); }
TEST(FillZeros, ElementsApart) { expect_filled({2, 3, 4, 3}, {3, 6, 20, 90}); }
TEST(FillZeros, SizesOfOneHaveAnyStride) { expect_filled({1, 3, 1, 5}, {-7, 2, 1000000000000, 6}); }
TEST(FillZeros, OneElement) { expect_filled({1, 1, 1, 1}, {0, 0, 0, 0}); }
TEST(FillZeros, Nothing) { expect_filled({2, 0, 4, 5}, {1, 2, 6, 24}); }

}  // namespace
}  // namespace convgrad
