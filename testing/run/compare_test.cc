// --compare with the real allocators: who is run, on what, and what comes back.
//
// Figures are not looked at, only that they are there. Programs that must
// behave differently on each allocator are shell scripts that look at
// LD_PRELOAD.

#include <signal.h>
#include <sys/stat.h>

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kLine[] = "[0-9.]+ m?s +[0-9.]+ m?s to [0-9.]+ m?s +";

class CompareTest : public ::testing::Test {
 protected:
  // Runs a script of sh, one round unless `flags` say otherwise.
  Result Script(const std::string& script,
                const std::vector<std::string>& flags = {"--compare=libc",
                                                         "--rounds=1"},
                const std::string& input = "") {
    std::vector<std::string> arguments = flags;
    arguments.insert(arguments.end(), {"/bin/sh", "-c", script, "sh"});
    return RunRunner(arguments, {}, input);
  }

  std::string Logged() const { return ReadFile(log_); }

  const ScratchDirectory scratch_;
  const std::string log_ = scratch_ / "log";
};

// It may wait for init to take notice of its end.
bool IsGone(const std::string& pid) {
  const std::string state = "/proc/" + std::to_string(std::stoi(pid));
  return RunProgram({"/bin/sh", "-c",
                     "! test -e " + state + " || grep -q '^State:.Z' " + state +
                         "/status"})
             .ExitStatus() == 0;
}

TEST_F(CompareTest, RunsInTurnsAndShowsTheFirst) {
  const Result result = Script(
      "echo \"${LD_PRELOAD##*/}\" >> " + log_ + "; echo out; echo err >&2",
      {"--compare=hardened", "--rounds=2"});
  EXPECT_EQ(result.ExitStatus(), 0);
  const std::string round = "\nmemalloc.so\nmemalloc_hardened.so\n";
  EXPECT_EQ(Logged(), "\n" + round + round) << "the first is shown only";
  EXPECT_EQ(result.output, "out\n");
  EXPECT_THAT(result.errors,
              HasSubstr("memalloc_run: 6 runs, in turn on libc, memalloc, "
                        "hardened\nmemalloc_run: one before them, on libc, is "
                        "not measured; what it writes is shown\n"));
  EXPECT_THAT(result.errors,
              HasSubstr("\nerr\n"
                        "memalloc_run: sh, 2 runs on each allocator\n"));
  for (const char* name : {"libc", "memalloc", "hardened"}) {
    EXPECT_THAT(result.errors,
                ContainsRegex(std::string("\n  ") + name + " +" + kLine));
  }
  EXPECT_THAT(result.errors, HasSubstr("all runs exited with status 0\n"
                                       "all wrote the same to stdout\n"));
  EXPECT_THAT(result.errors, Not(HasSubstr("\r"))) << "for terminals only";
}

TEST_F(CompareTest, TheFlagOfTheHardenedBuildAddsIt) {
  const Result result =
      Script(":", {"--hardened", "--compare=libc", "--rounds=1"});
  EXPECT_THAT(result.errors,
              HasSubstr("3 runs, in turn on libc, memalloc, hardened\n"));
}

TEST_F(CompareTest, ObjectsByPath) {
  const std::string object = scratch_.Copy(LibraryPath(), "lib/mine.so");
  const Result result = Script("echo \"$LD_PRELOAD\" >> " + log_,
                               {"--compare=mine=" + object, "--rounds=1"});
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_THAT(Logged(), EndsWith("\n" + object + "\n"));
}

TEST_F(CompareTest, ThePreloadOfTheCallerStaysButForAllocators) {
  const std::string mine = scratch_.Copy(LibraryPath(), "lib/mine.so");
  StartOptions options;
  options.set["LD_PRELOAD"] = mine + " libm.so.6:" + LibraryPath();
  const Result result = RunRunner({"--compare=libc", "--rounds=1", "/bin/sh",
                                   "-c", "echo \"$LD_PRELOAD\" >> " + log_},
                                  options);
  EXPECT_EQ(Logged(),
            "libm.so.6\nlibm.so.6\n" + LibraryPath() + ":libm.so.6\n");
  for (const std::string& object : {mine, LibraryPath()}) {
    EXPECT_THAT(result.errors, HasSubstr("memalloc_run: " + object +
                                         " defines malloc: it is "
                                         "left out of LD_PRELOAD\n"));
  }
}

TEST_F(CompareTest, TheStatusOfTheProgram) {
  const Result result = Script("exit 7");
  EXPECT_EQ(result.ExitStatus(), 7);
  EXPECT_THAT(result.errors, HasSubstr("all runs exited with status 7\n"));
  EXPECT_EQ(Script("kill -TERM $$").Signal(), SIGTERM);
}

TEST_F(CompareTest, ACrashOnOneAllocator) {
  const Result result =
      Script("if test -n \"$LD_PRELOAD\"; then echo crashed >> " + log_ +
                 "; echo why >&2; kill -SEGV $$; fi; echo ran >> " + log_,
             {"--compare=libc", "--rounds=2"});
  EXPECT_EQ(result.ExitStatus(), 124);
  EXPECT_THAT(result.errors,
              ContainsRegex("\n  memalloc +killed by signal 11 "));
  EXPECT_THAT(result.errors, HasSubstr("its last line on stderr: why\n"));
  EXPECT_EQ(Logged(), "ran\nran\ncrashed\nran\n") << "it is not tried again";
}

TEST_F(CompareTest, AHangOnOneAllocatorIsEndedWithItsChildren) {
  const std::string pid = scratch_ / "pid";
  const Result result =
      Script("test -z \"$LD_PRELOAD\" && exit; sleep 1000 & echo $! > " + pid +
                 "; wait",
             {"--compare=libc", "--timeout=1", "--rounds=3"});
  EXPECT_EQ(result.ExitStatus(), 124);
  EXPECT_THAT(result.errors,
              ContainsRegex("\n  memalloc +took too long and was ended\n"));
  EXPECT_TRUE(IsGone(ReadFile(pid)));
}

TEST_F(CompareTest, DaemonsAreEndedToo) {
  const std::string pid = scratch_ / "pid";
  const Result result =
      Script("setsid -f sh -c 'echo $$ > " + pid +
             "; exec sleep 1000' > /dev/null 2>&1; until test -s " + pid +
             "; do :; done; cat " + pid + " >> " + log_ + "; rm " + pid);
  EXPECT_EQ(result.ExitStatus(), 0);
  std::istringstream pids(Logged());
  int count = 0;
  for (std::string line; std::getline(pids, line); ++count) {
    EXPECT_TRUE(IsGone(line)) << line;
  }
  EXPECT_EQ(count, 3);
}

TEST_F(CompareTest, ChildrenFromBeforeStay) {
  const std::string pid = scratch_ / "pid";
  const Result result =
      RunProgram({"/bin/sh", "-c",
                  "sleep 1000 > /dev/null 2>&1 & echo $! > " + pid + "; exec " +
                      RunnerPath() + " --compare=libc --rounds=1 /bin/true"});
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_FALSE(IsGone(ReadFile(pid)));
  kill(std::stoi(ReadFile(pid)), SIGKILL);
}

TEST_F(CompareTest, OutputThatNobodyReadsHoldsUpTheShownRunOnly) {
  Process process(
      {RunnerPath(), "--compare=libc", "--rounds=1", "--timeout=1", "/bin/sh",
       "-c",
       "test -e " + log_ + " && exit; : > " + log_ + "; exec seq 100000000"});
  const Result result = {process.Wait(), "", process.ReadErrors()};
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_THAT(result.errors, HasSubstr("the run that is shown took too long"));
  EXPECT_THAT(result.errors, HasSubstr("all runs exited with status 0\n"));
}

TEST_F(CompareTest, ARunThatWritesForEverIsEnded) {
  const Result result = Script("test -n \"$LD_PRELOAD\" && exec yes; exit 0",
                               {"--compare=libc", "--rounds=1", "--timeout=1"});
  EXPECT_EQ(result.ExitStatus(), 124);
  EXPECT_THAT(result.errors,
              ContainsRegex("\n  memalloc +took too long and was ended\n"));
}

TEST_F(CompareTest, OtherOutputIsPointedOut) {
  EXPECT_THAT(
      Script("echo \"$LD_PRELOAD\"").errors,
      HasSubstr("what it wrote to stdout on memalloc differs from libc\n"));
}

TEST_F(CompareTest, LongOutputPassesWhole) {
  const Result result = Script("seq 100000; test -n \"$LD_PRELOAD\"; exit 0");
  // Not a comparison of gtest's, which would print both.
  EXPECT_TRUE(result.output == RunProgram({"/usr/bin/seq", "100000"}).output);
  EXPECT_THAT(result.errors, HasSubstr("all wrote the same to stdout\n"));
}

TEST_F(CompareTest, EveryRunReadsTheFileFromWhereItStands) {
  const std::string file = scratch_.Write("in", "skipped\nread\n");
  const Result result =
      RunProgram({"/bin/sh", "-c",
                  "{ read line; " + RunnerPath() +
                      " --compare=libc --rounds=2 /bin/sh -c 'cat >> " + log_ +
                      "'; } < " + file});
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_EQ(Logged(), "read\nread\nread\nread\nread\n");
}

TEST_F(CompareTest, NoRunReadsAPipe) {
  const Result result = Script("cat", {"--compare=libc", "--rounds=1"}, "text");
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, HasSubstr("the runs read nothing"));
}

TEST_F(CompareTest, ItIsSaidThatNoRunReadsADevice) {
  const std::string command =
      RunnerPath() + " --compare=libc --rounds=1 /bin/true < ";
  EXPECT_THAT(RunProgram({"/bin/sh", "-c", command + "/dev/zero"}).errors,
              HasSubstr("the runs read nothing"));
  EXPECT_THAT(RunProgram({"/bin/sh", "-c", command + "/dev/null"}).errors,
              Not(HasSubstr("the runs read nothing")));
}

TEST_F(CompareTest, ASignalEndsAll) {
  Process process({RunnerPath(), "--compare", "/bin/sh", "-c",
                   "trap '' INT; echo begun; sleep 1000"});
  EXPECT_EQ(process.ReadLine(), "begun");
  // It ignores the first and does not wait for the second.
  kill(process.pid(), SIGINT);
  kill(process.pid(), SIGTERM);
  const Result result = {process.Wait(), process.ReadOutput(),
                         process.ReadErrors()};
  EXPECT_THAT(result.Signal(), testing::AnyOf(SIGINT, SIGTERM));
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, Not(HasSubstr("on each allocator")));
}

TEST_F(CompareTest, WrongLists) {
  const std::string file = scratch_.Write("a file", "text");
  for (const auto& [list, text] :
       std::vector<std::pair<std::string, std::string>>{
           {"nomalloc",
            "--compare=nomalloc: no such allocator; write one of libc, "
            "memalloc, hardened, jemalloc, mimalloc, tbbmalloc, tcmalloc, or "
            "NAME=/path/to.so"},
           {"a=/nowhere",
            "--compare=a=/nowhere: it cannot be read: No such file or "
            "directory"},
           {"a=" + ProbePath(),
            "--compare=a=" + ProbePath() + ": it is not a shared library"},
           {"a=" + file, "--compare=a=" + file +
                             ": LD_PRELOAD cannot hold a path with a blank or "
                             "a colon; move the directory"},
           {"libc=" + LibraryPath(),
            "--compare=libc=" + LibraryPath() +
                ": libc is another one; take another name"},
       }) {
    const Result result = Script("echo ran", {"--compare=" + list});
    EXPECT_EQ(result.ExitStatus(), 125);
    EXPECT_EQ(result.output, "");
    EXPECT_EQ(result.errors, "memalloc_run: " + text + "\n");
  }
}

TEST_F(CompareTest, ProgramsThatTakeNoPreloadAreRefused) {
  const Result result =
      RunRunner({"--compare", DataFile("testing/run/static_program")});
  EXPECT_EQ(result.ExitStatus(), 126);
  EXPECT_THAT(result.errors, HasSubstr("it is statically linked"));
  EXPECT_EQ(RunRunner({"--compare", "no-such-program"}).ExitStatus(), 127);
}

}  // namespace
}  // namespace memalloc::run_testing
