#include "scratch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace convgrad {
namespace {

constexpr size_t overhead = 128;  // of a block: what the build adds to every size

class Scratch : public ::testing::Test {
 protected:
  alignas(64) char memory[4096];
};

TEST_F(Scratch, BlocksAreAlignedAndApart) {
  ScratchStack stack(memory, sizeof memory);
  std::vector<char *> blocks;
  for (size_t bytes : {size_t{1}, size_t{64}, size_t{100}}) {
    char *block = static_cast<char *>(stack.allocate(bytes));
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u);
    EXPECT_GE(block - 8, memory);
    EXPECT_LE(block + bytes + 8, memory + sizeof memory);
    memset(block, static_cast<int>(bytes), bytes);
    blocks.push_back(block);
  }
  EXPECT_EQ(blocks[0][0], 1);
  EXPECT_EQ(blocks[1][63], 64);
  EXPECT_EQ(blocks[2][99], 100);
}

TEST_F(Scratch, ExactlyTheBoundOfTheBuildFits) {
  // Two blocks of 100 and 64 bytes, each rounded to 64 and padded.
  const size_t bound = (128 + overhead) + (64 + overhead);
  ScratchStack stack(memory, bound);
  ASSERT_NE(stack.allocate(100), nullptr);
  ASSERT_NE(stack.allocate(64), nullptr);
  EXPECT_EQ(stack.allocate(1), nullptr);
  ScratchStack smaller(memory, bound - 64);
  ASSERT_NE(smaller.allocate(100), nullptr);
  EXPECT_EQ(smaller.allocate(64), nullptr);
}

TEST_F(Scratch, RoomComesBackInAnyOrderOfFrees) {
  ScratchStack stack(memory, sizeof memory);
  void *a = stack.allocate(64);
  void *b = stack.allocate(64);
  void *c = stack.allocate(64);
  const size_t all = stack.used();
  stack.free(b);
  EXPECT_EQ(stack.used(), all);  // c is above it
  stack.free(c);
  EXPECT_EQ(stack.used(), 64 + overhead);
  EXPECT_EQ(stack.allocate(64), b);
  stack.free(a);
  EXPECT_EQ(stack.used(), 2 * (64 + overhead));
  stack.free(b);
  EXPECT_EQ(stack.used(), 0u);
  EXPECT_EQ(stack.allocate(64), a);
}

TEST_F(Scratch, RefusesWhatDoesNotFit) {
  ScratchStack stack(memory, sizeof memory);
  EXPECT_EQ(stack.allocate(sizeof memory), nullptr);
  EXPECT_EQ(stack.allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(stack.allocate(SIZE_MAX - 63), nullptr);
  EXPECT_EQ(stack.used(), 0u);
  EXPECT_NE(stack.allocate(sizeof memory - overhead), nullptr);
  ScratchStack none(nullptr, 0);
  EXPECT_EQ(none.allocate(0), nullptr);
  none.free(nullptr);
}

}  // namespace
}  // namespace convgrad
