// --leaks: the program leaves a leak report, and the last line says where it is
// and how much is lost.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class LeaksFlagTest : public ::testing::Test {
 protected:
  LeaksFlagTest() { options_.directory = scratch_.path(); }

  ScratchDirectory scratch_;
  StartOptions options_;
};

TEST_F(LeaksFlagTest, SaysWhereAndHowMuch) {
  const Result result =
      RunRunner({"--leaks=of.txt", "bash", "-c", "cd /; exit 7"}, options_);
  EXPECT_EQ(result.ExitStatus(), 7);
  EXPECT_THAT(result.errors, MatchesRegex("memalloc_run: leak report in " +
                                          scratch_ / "of.txt" +
                                          ": [0-9]+ byte.s. leaked in [0-9]+ "
                                          "allocation.s.\n"));
  EXPECT_THAT(ReadFile(scratch_ / "of.txt"),
              HasSubstr("estimates from samples, one in 524288 bytes"));
}

TEST_F(LeaksFlagTest, OfEveryAllocation) {
  const Result result =
      RunRunner({"--leaks=exact:of.txt", "bash", "-c", "exit 0"}, options_);
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_THAT(ReadFile(scratch_ / "of.txt"),
              HasSubstr("every allocation is recorded"));
}

TEST_F(LeaksFlagTest, NeedsNoFile) {
  const Result result = RunRunner({"--leaks", "bash", "-c", ":"}, options_);
  EXPECT_THAT(result.errors,
              HasSubstr("leak report in " + scratch_ / "memalloc-leaks."));
}

}  // namespace
}  // namespace memalloc::run_testing
