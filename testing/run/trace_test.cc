// --trace with real programs: the calls are recorded, and the last lines say
// where.

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class TraceTest : public ::testing::Test {
 protected:
  Result Trace(const std::string& file, std::vector<std::string> program) {
    program.insert(program.begin(), "--trace=" + file);
    return RunRunner(program, options_);
  }

  // The number of calls that the line tells.
  static int Calls(const std::string& line) {
    std::smatch match;
    EXPECT_TRUE(std::regex_search(line, match, std::regex(": (\\d+) calls")));
    return match.empty() ? 0 : std::stoi(match[1]);
  }

  const ScratchDirectory scratch_;
  const std::string file_ = scratch_ / "program.trace";
  StartOptions options_;
};

TEST_F(TraceTest, TheLastLineSaysWhere) {
  const Result result = Trace(file_, {ProbePath(), "allocate", "1000000"});
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_THAT(result.errors,
              MatchesRegex("memalloc_run: trace " + file_ +
                           ": [0-9]+ calls of probe .pid [0-9]+.\n"));
  EXPECT_GT(Calls(result.errors), 0);
  EXPECT_GT(std::filesystem::file_size(file_), 0U);
}

TEST_F(TraceTest, ItComesBehindTheSummary) {
  options_.set["TMPDIR"] = scratch_.path();
  const Result result = RunRunner(
      {"--stats", "--trace=" + file_, ProbePath(), "allocate", "1"}, options_);
  EXPECT_THAT(result.errors, StartsWith("memalloc_run: probe (pid "));
  EXPECT_THAT(result.errors, HasSubstr("\nmemalloc_run: trace " + file_));
}

TEST_F(TraceTest, RelativePathsAreTheCallers) {
  options_.directory = scratch_.path();
  const Result result = Trace("here.%p", {ProbePath(), "allocate", "1"});
  EXPECT_THAT(result.errors,
              MatchesRegex("memalloc_run: trace " + (scratch_ / "here") +
                           ".[0-9]+: [0-9]+ calls of probe .*\n"));
}

TEST_F(TraceTest, TheFoldersNameIsTakenAsItIs) {
  const std::string folder = scratch_ / "100%p of 50%%";
  ASSERT_TRUE(std::filesystem::create_directory(folder));
  const Result result =
      Trace(folder + "/trace", {ProbePath(), "allocate", "1"});
  EXPECT_THAT(result.errors,
              StartsWith("memalloc_run: trace " + folder + "/trace: "));
  EXPECT_TRUE(std::filesystem::exists(folder + "/trace"));
}

TEST_F(TraceTest, WhatIsThereStaysAndIsNotTold) {
  Trace(file_, {ProbePath(), "allocate", "1"});
  const Result result = Trace(file_, {ProbePath(), "allocate", "1"});
  EXPECT_THAT(result.errors,
              MatchesRegex("memalloc_run: trace " + file_ +
                           ".[0-9]+: [0-9]+ calls of probe .*\n"));
}

TEST_F(TraceTest, ChildrenHaveTheirOwn) {
  const Result result =
      Trace(file_, {"/bin/sh", "-c", ProbePath() + " allocate 1; true"});
  EXPECT_EQ(result.ExitStatus(), 0);
  EXPECT_THAT(result.errors, HasSubstr(" calls of sh (pid "));
  EXPECT_THAT(result.errors, HasSubstr(" calls of probe (pid "));
}

TEST_F(TraceTest, AKilledProgramLeavesItsTrace) {
  const Result result = Trace(file_, {"/bin/sh", "-c", "kill -9 $$"});
  EXPECT_EQ(result.Signal(), 9);
  EXPECT_THAT(result.errors, HasSubstr("memalloc_run: trace " + file_));
  EXPECT_GT(Calls(result.errors), 0);
}

TEST_F(TraceTest, NoTraceIsSaid) {
  const Result result =
      Trace(file_, {DataFile("testing/run/other_malloc_program")});
  EXPECT_THAT(result.errors, StartsWith("memalloc_run: no trace: "));
}

TEST_F(TraceTest, WhatCannotBeIsRefused) {
  Result result = Trace(scratch_ / "none/trace", {ProbePath(), "args"});
  EXPECT_EQ(result.ExitStatus(), 125);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, HasSubstr("/none/trace: there is no folder "));
  result = RunRunner({"--hardened", "--trace=" + file_, ProbePath(), "args"});
  EXPECT_EQ(result.ExitStatus(), 125);
  EXPECT_EQ(result.errors,
            "memalloc_run: --trace does not go with --hardened, which records "
            "no calls\n");
}

}  // namespace
}  // namespace memalloc::run_testing
