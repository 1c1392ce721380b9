// The prediction of AT_SECURE, for users and files that a test cannot be.
//
// refusal_test.cc checks the same with real setuid files where it may make
// them.

#include "tools/run/secure_exec.h"

#include <sys/stat.h>

#include "gtest/gtest.h"

namespace memalloc::run {
namespace {

constexpr mode_t kProgram = S_IFREG | 0755;

// An ordinary user and an ordinary program of root.
SecureExecFacts Ordinary() {
  SecureExecFacts facts;
  facts.real_uid = facts.effective_uid = 1000;
  facts.real_gid = facts.effective_gid = 100;
  facts.file_mode = kProgram;
  return facts;
}

TEST(SecureExecTest, OrdinaryProgram) { EXPECT_EQ(WhySecure(Ordinary()), ""); }

TEST(SecureExecTest, SetuidToAnother) {
  SecureExecFacts facts = Ordinary();
  facts.file_mode = kProgram | S_ISUID;
  EXPECT_EQ(WhySecure(facts), "it is setuid (runs as uid 0)");
  facts.file_uid = 7;
  EXPECT_EQ(WhySecure(facts), "it is setuid (runs as uid 7)");
}

TEST(SecureExecTest, SetuidToOneself) {
  SecureExecFacts facts = Ordinary();
  facts.file_mode = kProgram | S_ISUID;
  facts.file_uid = 1000;
  EXPECT_EQ(WhySecure(facts), "");
}

TEST(SecureExecTest, RootRunsSetuidRootButNotSetuidUser) {
  SecureExecFacts facts = Ordinary();
  facts.real_uid = facts.effective_uid = 0;
  facts.file_mode = kProgram | S_ISUID;
  EXPECT_EQ(WhySecure(facts), "");
  facts.file_uid = 1000;
  EXPECT_EQ(WhySecure(facts), "it is setuid (runs as uid 1000)");
}

TEST(SecureExecTest, SetgidCountsOnlyWithGroupExecution) {
  SecureExecFacts facts = Ordinary();
  facts.file_mode = kProgram | S_ISGID;
  facts.file_gid = 42;
  EXPECT_EQ(WhySecure(facts), "it is setgid (runs as gid 42)");
  facts.file_mode = S_IFREG | S_ISGID | 0745;
  EXPECT_EQ(WhySecure(facts), "");
}

TEST(SecureExecTest, BitsThatTheKernelIgnores) {
  for (const mode_t bit : {S_ISUID, S_ISGID}) {
    SecureExecFacts facts = Ordinary();
    facts.file_mode = kProgram | bit;
    facts.nosuid = true;
    EXPECT_EQ(WhySecure(facts), "");
    facts.nosuid = false;
    facts.no_new_privileges = true;
    EXPECT_EQ(WhySecure(facts), "");
  }
}

TEST(SecureExecTest, FileCapabilities) {
  SecureExecFacts facts = Ordinary();
  facts.file_capabilities = true;
  EXPECT_EQ(WhySecure(facts), "it has file capabilities");
  facts.nosuid = true;
  EXPECT_EQ(WhySecure(facts), "");
  facts.nosuid = false;
  facts.real_uid = facts.effective_uid = 0;
  EXPECT_EQ(WhySecure(facts), "");
}

TEST(SecureExecTest, RunnerThatIsItselfSetuid) {
  SecureExecFacts facts = Ordinary();
  facts.effective_uid = 0;
  EXPECT_EQ(WhySecure(facts),
            "your effective user is not your real one (runs as uid 0)");
  facts = Ordinary();
  facts.effective_gid = 5;
  EXPECT_EQ(WhySecure(facts),
            "your effective group is not your real one (runs as gid 5)");
}

}  // namespace
}  // namespace memalloc::run
