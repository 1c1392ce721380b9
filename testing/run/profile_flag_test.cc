// --profile: the program leaves a heap profile, and the last line says where.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::StartsWith;

class ProfileFlagTest : public ::testing::Test {
 protected:
  ProfileFlagTest() { options_.directory = scratch_.path(); }

  ScratchDirectory scratch_;
  StartOptions options_;
};

TEST_F(ProfileFlagTest, ProfileInTheCallersDirectory) {
  const Result result =
      RunRunner({"--profile=of.pb.gz", "bash", "-c", "cd /; exit 7"}, options_);
  EXPECT_EQ(result.ExitStatus(), 7);
  EXPECT_EQ(result.errors,
            "memalloc_run: heap profile in " + scratch_ / "of.pb.gz" + "\n");
  EXPECT_THAT(ReadFile(scratch_ / "of.pb.gz"), StartsWith("\x1f\x8b"));
}

TEST_F(ProfileFlagTest, SaysThatThereIsNone) {
  scratch_.Write("profile", "of another run");
  const Result result =
      RunRunner({"--profile=profile", "bash", "-c", "kill -9 $$"}, options_);
  EXPECT_EQ(result.Signal(), 9);
  EXPECT_EQ(result.errors, "memalloc_run: no heap profile: " +
                               scratch_ / "profile" + " was not written\n");
}

}  // namespace
}  // namespace memalloc::run_testing
