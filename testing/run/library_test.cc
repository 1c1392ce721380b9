// memalloc_run's own failures: usage, and a memalloc.so that is missing or bad.
//
// The program and the library are copied into a tree of the same layout as a
// build's, and the library is taken away or damaged there.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::StartsWith;

class LibraryTest : public ::testing::Test {
 protected:
  LibraryTest()
      : runner_(scratch_.CopyRunner()),
        library_(scratch_ / "tree/memalloc/memalloc.so") {}

  // Runs the copied runner; returns the value of LD_PRELOAD it sets.
  std::string Preload() {
    const Result result =
        RunProgram({runner_, ProbePath(), "env", "LD_PRELOAD"});
    EXPECT_EQ(result.errors, "");
    return result.output;
  }

  void ExpectFailure(const std::string& runner, const std::string& line) {
    const Result result = RunProgram({runner, ProbePath(), "args", "ran"});
    EXPECT_EQ(result.ExitStatus(), 125);
    EXPECT_EQ(result.errors, "memalloc_run: " + line);
    EXPECT_EQ(result.output, "");
  }

  const ScratchDirectory scratch_;
  const std::string runner_;
  const std::string library_;
};

TEST_F(LibraryTest, InTheTree) { EXPECT_EQ(Preload(), library_ + "\n"); }

TEST_F(LibraryTest, RunfilesComeFirst) {
  for (const char* workspace : {"memalloc", "_main"}) {
    const std::string in_runfiles = scratch_.Copy(
        library_, std::string("tree/tools/run/memalloc_run.runfiles/") +
                      workspace + "/memalloc/memalloc.so");
    EXPECT_EQ(Preload(), in_runfiles + "\n");
    std::filesystem::remove_all(runner_ + ".runfiles");
  }
}

TEST_F(LibraryTest, BesideTheRunner) {
  const std::string beside = scratch_ / "tree/tools/run/memalloc.so";
  ASSERT_EQ(rename(library_.c_str(), beside.c_str()), 0);
  EXPECT_EQ(Preload(), beside + "\n");
}

TEST_F(LibraryTest, Hardened) {
  const Result result =
      RunProgram({runner_, "--hardened", ProbePath(), "env", "LD_PRELOAD"});
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output,
            scratch_ / "tree/memalloc/memalloc_hardened.so" + "\n");
}

TEST_F(LibraryTest, Guard) {
  const Result result = RunProgram({runner_, "--guard=50", ProbePath(), "env",
                                    "MEMALLOC_GUARD_SAMPLE_RATE"});
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(result.output, "50\n");
}

TEST_F(LibraryTest, HardenedIsMissing) {
  ASSERT_EQ(unlink((scratch_ / "tree/memalloc/memalloc_hardened.so").c_str()),
            0);
  EXPECT_EQ(Preload(), library_ + "\n");
  const Result result =
      RunProgram({runner_, "--hardened", ProbePath(), "args"});
  EXPECT_EQ(result.ExitStatus(), 125);
  EXPECT_THAT(result.errors,
              StartsWith("memalloc_run: memalloc_hardened.so is missing, "));
}

TEST_F(LibraryTest, ThroughSymbolicLinks) {
  const std::string link = scratch_ / "link";
  ASSERT_EQ(symlink(runner_.c_str(), link.c_str()), 0);
  const Result result = RunProgram({link, ProbePath(), "env", "LD_PRELOAD"});
  EXPECT_EQ(result.output, library_ + "\n");
}

TEST_F(LibraryTest, Missing) {
  ASSERT_EQ(unlink(library_.c_str()), 0);
  ExpectFailure(
      runner_, "memalloc.so is missing, none of " + runner_ +
                   ".runfiles/memalloc/memalloc/memalloc.so, " + runner_ +
                   ".runfiles/_main/memalloc/memalloc.so, " +
                   (scratch_ / "tree/tools/lib/memalloc.so") + ", " +
                   (scratch_ / "tree/tools/run/memalloc.so") + ", " + library_ +
                   " exists; build it with `tools/bazel build "
                   "//memalloc:memalloc.so`, or put it beside "
                   "memalloc_run\n");
}

TEST_F(LibraryTest, Damaged) {
  scratch_.Write("tree/memalloc/memalloc.so",
                 "\x7f"
                 "ELF");
  ExpectFailure(runner_, library_ +
                             ": it is a malformed ELF file: the ELF header "
                             "ends after the end of the file\n");
}

TEST_F(LibraryTest, PathThatLdPreloadCannotHold) {
  for (const std::string& name : std::vector<std::string>{"two words", "a:b"}) {
    const std::string library =
        scratch_.Copy(library_, name + "/memalloc/memalloc.so");
    const std::string runner =
        scratch_.Copy(runner_, name + "/tools/run/memalloc_run");
    ExpectFailure(runner, library +
                              ": LD_PRELOAD cannot hold a path with a blank or "
                              "a colon; move the directory\n");
  }
}

TEST_F(LibraryTest, Usage) {
  Result result = RunProgram({runner_});
  EXPECT_EQ(result.ExitStatus(), 125);
  EXPECT_EQ(result.errors,
            "memalloc_run: no program given; usage: memalloc_run [FLAGS] [--] "
            "PROGRAM [ARGS...]\n");
  result = RunProgram({runner_, "--stat", "ls"});
  EXPECT_EQ(result.ExitStatus(), 125);
  EXPECT_EQ(result.errors,
            "memalloc_run: unknown flag --stat, the nearest is "
            "--stats[=FORMAT[:FILE]]; see memalloc_run --help; the program's "
            "own flags follow PROGRAM\n");
  result = RunProgram({runner_, "--help"});
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_EQ(result.errors, "");
  EXPECT_THAT(result.output, StartsWith("usage: memalloc_run "));
}

}  // namespace
}  // namespace memalloc::run_testing
