// PATH look-up, compared with what execvp(3) does.
//
// The wording of each refusal is tested here; refusal_test.cc shows that the
// program prints it. Cases that need an ordinary user run memalloc_run as one,
// and are there too.

#include "tools/run/program_lookup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

using run_testing::ScratchDirectory;

std::string Found(const std::string& name, const std::string& search_path) {
  const absl::StatusOr<std::string> path = FindProgram(name, search_path);
  if (path.ok()) return *path;
  return std::to_string(ExitStatus(path.status())) + " " +
         std::string(path.status().message());
}

class ProgramLookupTest : public ::testing::Test {
 protected:
  // Two directories that both have `twice`.
  ProgramLookupTest()
      : first_(scratch_ / "first"),
        second_(scratch_ / "second"),
        both_(first_ + ":" + second_) {
    scratch_.Write("first/twice", "", 0755);
    scratch_.Write("second/twice", "", 0755);
    scratch_.Write("second/once", "", 0755);
    scratch_.Write("first/data", "", 0644);
  }

  const ScratchDirectory scratch_;
  const std::string first_;
  const std::string second_;
  const std::string both_;
};

TEST_F(ProgramLookupTest, TheFirstDirectoryWins) {
  EXPECT_EQ(Found("twice", both_), first_ + "/twice");
  EXPECT_EQ(Found("twice", second_ + ":" + first_), second_ + "/twice");
  EXPECT_EQ(Found("once", both_), second_ + "/once");
}

TEST_F(ProgramLookupTest, WhatCannotBeExecutedIsPassedOver) {
  scratch_.Write("first/once", "", 0644);
  EXPECT_EQ(Found("once", both_), second_ + "/once");
  mkdir((second_ + "/data").c_str(), 0755);
  EXPECT_EQ(
      Found("data", both_),
      "126 " + first_ + "/data: it is not executable; chmod +x makes it so")
      << "the first reason is given";
}

TEST_F(ProgramLookupTest, NotFound) {
  EXPECT_EQ(Found("nosuch", both_), "127 nosuch: not found in PATH (" + both_ +
                                        "); give its path if it is elsewhere");
  EXPECT_EQ(Found("nosuch", ""),
            "127 nosuch: not found in PATH (); give its path if it is "
            "elsewhere");
  EXPECT_EQ(Found("", both_), "127 the program's name is empty");
}

TEST_F(ProgramLookupTest, EmptyElementsAreTheWorkingDirectory) {
  ASSERT_EQ(chdir(second_.c_str()), 0);
  EXPECT_EQ(Found("once", ""), "./once");
  EXPECT_EQ(Found("once", ":/nosuch"), "./once");
  EXPECT_EQ(Found("twice", first_ + ":"), first_ + "/twice");
}

TEST_F(ProgramLookupTest, NamesWithASlashArePaths) {
  ASSERT_EQ(chdir(scratch_.path().c_str()), 0);
  EXPECT_EQ(Found("second/once", first_), "second/once");
  EXPECT_EQ(Found("./once", second_), "127 ./once: it does not exist");
}

TEST_F(ProgramLookupTest, WhatIsWrongWithAPath) {
  const std::string file = first_ + "/data";
  EXPECT_EQ(Found(first_, ""),
            "126 " + first_ + ": it is a directory; name a program in it");
  EXPECT_EQ(Found(file, ""),
            "126 " + file + ": it is not executable; chmod +x makes it so");
  EXPECT_EQ(Found(file + "/x", ""),
            "127 " + file +
                "/x: it does not exist: a part of its path is not a directory");
  const std::string link = scratch_ / "link";
  ASSERT_EQ(symlink("nowhere", link.c_str()), 0);
  EXPECT_EQ(Found(link, ""),
            "127 " + link +
                ": it is a symbolic link to nowhere, which does not exist");
  const std::string loop = scratch_ / "loop";
  ASSERT_EQ(symlink("loop", loop.c_str()), 0);
  EXPECT_EQ(Found(loop, ""),
            "126 " + loop +
                ": it cannot be examined: Too many levels of symbolic links");
  const std::string fifo = scratch_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0755), 0);
  EXPECT_EQ(Found(fifo, ""), "126 " + fifo + ": it is not a regular file");
  EXPECT_EQ(Found("/dev/null", ""), "126 /dev/null: it is not a regular file");
}

TEST_F(ProgramLookupTest, SearchPath) {
  setenv("PATH", "/a:/b", 1);
  EXPECT_EQ(SearchPath(), "/a:/b");
  unsetenv("PATH");
  EXPECT_EQ(SearchPath(), "/bin:/usr/bin") << "confstr(_CS_PATH)";
}

}  // namespace
}  // namespace memalloc::run
