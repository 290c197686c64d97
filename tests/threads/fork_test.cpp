// After a fork the child makes a context of its own and computes; the parent's goes on.
#include <gtest/gtest.h>

#include "support/child.h"
#include "support/run.h"

namespace convgrad::test {
namespace {

TEST(Fork, TheChildMakesANewContext) {
  std::string error;
  for (const Problem &problem : expand_shapes("all n4 h12 w13 c20 k24 r3x3 pSAME", &error)) {
    const Data data = integer_data(problem, 17);
    const Repro repro = {&problem, "", 17, 4};
    Runner runner;
    const Context context = make_context("", 4);
    ASSERT_NE(context, nullptr) << convgrad_last_error();
    // The parent's threads run before the fork and are not there after it.
    ASSERT_TRUE(equals_expected(runner.run(context.get(), problem, data.first, data.second), data.expected, repro));
    const ChildResult child = run_in_child({}, [&] {
      const Context own = make_context("", 4);
      if (own == nullptr) return 2;
      for (int i = 0; i < 3; ++i) {
        const auto equal =
            equals_expected(runner.run(own.get(), problem, data.first, data.second), data.expected, repro);
        if (!equal) {
          std::printf("%s\n", equal.message());
          return 1;
        }
      }
      return 0;
    });
    EXPECT_EQ(child.exit_code, 0) << problem.to_string() << "\n" << child.output;
    EXPECT_TRUE(equals_expected(runner.run(context.get(), problem, data.first, data.second), data.expected, repro));
    tally().problems += 5;
  }
  EXPECT_EQ(error, "");
}

}  // namespace
}  // namespace convgrad::test
