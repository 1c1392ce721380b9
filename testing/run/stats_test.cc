// --stats with real programs: the figures are there, add up, and stay sane.
//
// Figures are compared with bounds that follow from what the program does, not
// with measured values. The exact layout is tested in summary_test.cc.

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class StatsTest : public ::testing::Test {
 protected:
  StatsTest() { options_.set["TMPDIR"] = scratch_.path(); }
  ~StatsTest() override {
    EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()))
        << "something was left in $TMPDIR";
  }

  Result RunStats(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "--stats");
    return RunRunner(arguments, options_);
  }

  // The exact bytes of a line of the summary.
  static uint64_t Bytes(const std::string& summary, const std::string& label) {
    std::smatch match;
    const std::regex line("\n  " + label +
                          " +[0-9.]+ [KMGTPE]?i?B  ([0-9]+) "
                          "bytes");
    if (!std::regex_search(summary, match, line)) {
      ADD_FAILURE() << "no line of " << label << " in\n" << summary;
      return 0;
    }
    return std::stoull(match[1]);
  }

  // A count, which follows `label`.
  static uint64_t Count(const std::string& summary, const std::string& label) {
    std::smatch match;
    if (!std::regex_search(summary, match, std::regex(label + " *([0-9]+)"))) {
      ADD_FAILURE() << "no " << label << " in\n" << summary;
      return 0;
    }
    return std::stoull(match[1]);
  }

  const ScratchDirectory scratch_;
  StartOptions options_;
};

TEST_F(StatsTest, WithoutTheFlagNothingIsPrinted) {
  EXPECT_EQ(RunRunner({ProbePath(), "allocate", "1000000"}, options_).errors,
            "");
}

TEST_F(StatsTest, Figures) {
  constexpr uint64_t kBytes = 50000000;
  const Result result =
      RunStats({ProbePath(), "allocate", std::to_string(kBytes)});
  EXPECT_EQ(result.output, "");
  const std::string& summary = result.errors;
  EXPECT_TRUE(std::regex_search(
      summary, std::regex("^memalloc_run: probe \\(pid [0-9]+\\) exited with "
                          "status 0\n")))
      << summary;
  const uint64_t peak = Bytes(summary, "peak in use");
  EXPECT_GE(peak, kBytes);
  EXPECT_LT(peak, 2 * kBytes);
  EXPECT_LT(Bytes(summary, "live at exit"), kBytes) << "it was freed";
  EXPECT_GE(Bytes(summary, "peak RSS"), kBytes) << "it was written";
  EXPECT_LT(Bytes(summary, "peak RSS"), 3 * kBytes);
  EXPECT_GT(Bytes(summary, "RSS at exit"), 0u);
  EXPECT_LE(Bytes(summary, "RSS at exit"), Bytes(summary, "peak RSS"));
  EXPECT_LE(Bytes(summary, "live at exit"), Bytes(summary, "heap"));
  EXPECT_GE(Count(summary, "arenas:"), 1u);
  EXPECT_GE(Count(summary, "blocks:"), 1u);
  EXPECT_THAT(summary, Not(HasSubstr("other processes")));
}

TEST_F(StatsTest, LivesAndPeaksGrowWithTheProgram) {
  const std::string little = RunStats({ProbePath(), "allocate", "1000"}).errors;
  const std::string much =
      RunStats({ProbePath(), "allocate", "9000000"}).errors;
  EXPECT_GE(Bytes(much, "peak in use"), Bytes(little, "peak in use") + 8000000);
}

TEST_F(StatsTest, Python) {
  const Result result =
      RunStats({"/usr/bin/python3", "-c", "x = list(range(10**6)); print(1)"});
  EXPECT_EQ(result.output, "1\n");
  // A million pointers, at least; ints come from Python's own arenas.
  EXPECT_GE(Bytes(result.errors, "peak in use"), 8000000u);
  EXPECT_EQ(Count(result.errors, "thread heaps"), 1u);
}

TEST_F(StatsTest, DeathBySignal) {
  const Result result =
      RunStats({ProbePath(), "raise", std::to_string(SIGTERM)});
  EXPECT_EQ(result.Signal(), SIGTERM);
  EXPECT_THAT(result.errors,
              HasSubstr(" killed by signal 15 (Terminated)\n"
                        "  no heap figures: the signal ended the program "
                        "before memalloc could write them\n"
                        "  peak RSS "));
  EXPECT_GT(Bytes(result.errors, "peak RSS"), 0u);
  EXPECT_THAT(result.errors, Not(HasSubstr("peak in use")));
}

TEST_F(StatsTest, UnderscoreExit) {
  const Result result = RunStats({ProbePath(), "_exit", "3"});
  EXPECT_EQ(result.ExitStatus(), 3);
  EXPECT_THAT(result.errors,
              HasSubstr(" exited with status 3\n"
                        "  no heap figures: the program left by _exit(), "));
  EXPECT_GT(Bytes(result.errors, "peak RSS"), 0u);
}

TEST_F(StatsTest, ProgramThatIsLinkedWithMemalloc) {
  const ScratchDirectory elsewhere;
  options_.set["MEMALLOC_STATS_FILE"] = elsewhere / "lines";
  const Result result =
      RunStats({DataFile("testing/run/linked_probe"), "allocate", "10000000"});
  EXPECT_GE(Bytes(result.errors, "peak in use"), 10000000u);
  EXPECT_THAT(ReadFile(elsewhere / "lines"), MatchesRegex("pid=[^\n]*\n"))
      << "of the two copies only the one that served";
}

TEST_F(StatsTest, ProgramWithAnotherMalloc) {
  const Result result =
      RunStats({DataFile("testing/run/other_malloc_program")});
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("  no heap figures: "),
                    HasSubstr("does not use memalloc (it has its own malloc"),
                    Not(HasSubstr("peak in use"))));
}

TEST_F(StatsTest, OtherProcesses) {
  const std::string probe = ProbePath();
  const Result result = RunStats({"/usr/bin/python3", "-c",
                                  "import subprocess\n"
                                  "for size in (10000000, 20000000):\n"
                                  "  subprocess.run(['" +
                                      probe +
                                      "', 'allocate', str(size)],\n"
                                      "                 check=True)\n"});
  EXPECT_EQ(result.ExitStatus(), 0) << result.errors;
  EXPECT_EQ(Count(result.errors, "processes:"), 2u);
  EXPECT_GE(Bytes(result.errors, "other processes"), 30000000u);
  EXPECT_LT(Bytes(result.errors, "other processes"), 40000000u);
  EXPECT_LT(Bytes(result.errors, "peak in use"), 30000000u)
      << "the program's own line was mistaken";
}

TEST_F(StatsTest, NestedRunsSeeTheirOwnFigures) {
  const Result result =
      RunStats({RunnerPath(), "--stats", ProbePath(), "allocate", "10000000"});
  const size_t second = result.errors.find("memalloc_run: ", 1);
  ASSERT_NE(second, std::string::npos) << result.errors;
  const std::string inner = result.errors.substr(0, second);
  const std::string outer = result.errors.substr(second);
  EXPECT_THAT(inner, StartsWith("memalloc_run: probe "));
  EXPECT_GE(Bytes(inner, "peak in use"), 10000000u);
  EXPECT_THAT(outer, StartsWith("memalloc_run: memalloc_run "));
  EXPECT_EQ(Count(outer, "processes:"), 1u) << "handed on by the inner run";
  EXPECT_EQ(Bytes(outer, "other processes"), Bytes(inner, "peak in use"));
}

TEST_F(StatsTest, TheCallersStatisticsFileGetsItsLines) {
  const ScratchDirectory elsewhere;
  options_.set["MEMALLOC_STATS_FILE"] = elsewhere / "lines";
  EXPECT_EQ(RunStats({ProbePath(), "exit", "0"}).ExitStatus(), 0);
  EXPECT_EQ(RunStats({ProbePath(), "exit", "0"}).ExitStatus(), 0);
  EXPECT_THAT(ReadFile(elsewhere / "lines"),
              MatchesRegex("pid=[0-9]+ program=probe [^\n]*\n"
                           "pid=[0-9]+ program=probe [^\n]*\n"));
}

TEST_F(StatsTest, ProcessThatOutlivesTheRunLeavesNothing) {
  // The shell's child ends after the summary: it holds the pipe until then.
  Process process({RunnerPath(), "--stats", "/usr/bin/python3", "-c",
                   "import subprocess\n"
                   "subprocess.Popen(['" +
                       ProbePath() + "', 'idle'])\n"},
                  options_);
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()));
  process.CloseInput();
  EXPECT_THAT(process.ReadOutput(), Not(IsEmpty()));
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()));
}

TEST_F(StatsTest, InAFile) {
  const ScratchDirectory here;
  options_.directory = here.path();
  for (const char* value : {"json", "prometheus", "text"}) {
    const Result result =
        RunRunner({std::string("--stats=") + value, "/usr/bin/python3", "-c",
                   "import os; os.chdir('/'); os.fork()"},
                  options_);
    EXPECT_GT(Bytes(result.errors, "peak in use"), 0u);
    std::smatch match;
    ASSERT_TRUE(std::regex_search(
        result.errors, match,
        std::regex("\nmemalloc_run: statistics in (" + here.path() +
                   "/memalloc-stats.([0-9]+).[a-z]+)\n$")))
        << result.errors;
    EXPECT_THAT(result.errors, StartsWith("memalloc_run: python3 (pid " +
                                          match[2].str() + ")"));
    EXPECT_THAT(ReadFile(match[1]), HasSubstr("python3"));
  }
}

TEST_F(StatsTest, FileThatIsNotWritten) {
  const std::string file = scratch_.Write("heap.json", "of an earlier run");
  const Result result =
      RunRunner({"--stats=json:" + file, ProbePath(), "_exit", "3"}, options_);
  EXPECT_EQ(result.ExitStatus(), 3);
  EXPECT_THAT(result.errors, HasSubstr("\nmemalloc_run: no statistics: " +
                                       file + " was not written\n"));
}

TEST_F(StatsTest, NoDirectoryForTheFile) {
  options_.set["TMPDIR"] = scratch_ / "nosuch";
  const Result result = RunStats({ProbePath(), "args", "ran"});
  EXPECT_EQ(result.ExitStatus(), 125);
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(result.errors,
            "memalloc_run: cannot make a directory for statistics in " +
                (scratch_ / "nosuch") +
                ": No such file or directory; set TMPDIR to another\n");
}

TEST_F(StatsTest, RelativeDirectoryForTheFile) {
  const ScratchDirectory here;
  options_.directory = here.path();
  options_.set["TMPDIR"] = ".";
  const Result result =
      RunStats({"/usr/bin/python3", "-c", "import os; os.chdir('/')"});
  EXPECT_GT(Bytes(result.errors, "peak in use"), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(here.path()));
}

}  // namespace
}  // namespace memalloc::run_testing
