// The text of --compare, from runs that are made up.

#include "tools/run/compare_report.h"

#include <signal.h>
#include <sys/wait.h>

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace memalloc::run {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

MeasuredRun Took(double seconds, int status = 0) {
  MeasuredRun run;
  run.wait_status = W_EXITCODE(status, 0);
  run.wall_seconds = seconds;
  run.cpu_seconds = seconds / 2;
  run.peak_rss_bytes = 10 << 20;
  return run;
}

MeasuredRun Killed() {
  MeasuredRun run;
  run.wait_status = W_EXITCODE(0, SIGABRT);
  run.last_words = "memalloc: free(0x1): double free";
  return run;
}

MeasuredRun Hung() {
  MeasuredRun run;
  run.wait_status = W_EXITCODE(0, SIGKILL);
  run.timed_out = true;
  return run;
}

// The lines that begin with `name`, in the order of the measures.
std::vector<std::string> Lines(const std::string& report,
                               const std::string& name) {
  std::vector<std::string> lines;
  std::istringstream text(report);
  for (std::string line; std::getline(text, line);) {
    if (line.rfind(name, 0) == 0) lines.push_back(line);
  }
  return lines;
}

TEST(CompareReportTest, MedianSpreadRatioAndBar) {
  const std::string report =
      CompareReport("sort", {{"libc", {Took(2), Took(1.5), Took(9)}},
                             {"memalloc", {Took(1.25), Took(0.5), Took(1)}}});
  EXPECT_THAT(report, HasSubstr("memalloc_run: sort, 3 runs on each "));
  EXPECT_EQ(Lines(report, "  libc").at(0),
            "  libc            2.00 s       1.50 s to 9.00 s       1.00  "
            "####################");
  EXPECT_EQ(Lines(report, "  memalloc").at(0),
            "  memalloc        1.00 s     500.0 ms to 1.25 s       0.50  "
            "##########");
  EXPECT_EQ(Lines(report, "  memalloc").at(1),
            "  memalloc      500.0 ms     250.0 ms to 625.0 ms     0.50  "
            "##########");
  EXPECT_EQ(Lines(report, "  memalloc").at(2),
            "  memalloc      10.0 MiB     10.0 MiB to 10.0 MiB     1.00  "
            "####################");
  EXPECT_THAT(report, HasSubstr("all runs exited with status 0\n"
                                "all wrote the same to stdout\n"
                                "memalloc takes 0.50 of libc's wall time, 0.50 "
                                "of its CPU time,\nand 1.00 of its peak "
                                "memory.\n"));
  for (const std::string& line : Lines(report, "")) EXPECT_LE(line.size(), 80U);
}

TEST(CompareReportTest, TheMedianOfAnEvenNumberLiesBetween) {
  const std::string report =
      CompareReport("sort", {{"libc", {Took(1), Took(4)}}});
  EXPECT_THAT(Lines(report, "  libc").at(0), HasSubstr(" 2.50 s  "));
}

TEST(CompareReportTest, TimesThatOverlapMayBeChance) {
  const std::string overlap = "may be chance";
  EXPECT_THAT(CompareReport("sort", {{"libc", {Took(1), Took(3)}},
                                     {"memalloc", {Took(2), Took(4)}}}),
              HasSubstr(overlap));
  EXPECT_THAT(CompareReport("sort", {{"libc", {Took(3), Took(4)}},
                                     {"memalloc", {Took(1), Took(2)}}}),
              Not(HasSubstr(overlap)));
}

TEST(CompareReportTest, CrashesAndHangsAreLinesOfTheirOwn) {
  const std::string report = CompareReport(
      "sort", {{"libc", {Took(1)}}, {"memalloc", {Killed()}}, {"x", {Hung()}}});
  EXPECT_EQ(Lines(report, "  memalloc").at(0),
            "  memalloc    killed by signal 6 (Aborted)");
  EXPECT_EQ(Lines(report, "  x").at(0),
            "  x           took too long and was "
            "ended");
  EXPECT_THAT(report,
              HasSubstr("the runs did not all end alike:\n"
                        "  libc        exited with status 0\n"
                        "  memalloc    killed by signal 6 (Aborted)\n"
                        "              its last line on stderr: memalloc: "
                        "free(0x1): double free\n"
                        "  x           took too long and was ended\n"));
  EXPECT_THAT(report, Not(HasSubstr("memalloc takes")));
}

TEST(CompareReportTest, WithoutFiguresOfLibcThereAreNoRatios) {
  const std::string report =
      CompareReport("sort", {{"libc", {Killed()}}, {"memalloc", {Took(1)}}});
  EXPECT_THAT(Lines(report, "  memalloc").at(0), HasSubstr("    -  ####"));
}

TEST(CompareReportTest, OtherStatuses) {
  const std::vector<Compared> compared = {{"libc", {Took(1), Took(1)}},
                                          {"memalloc", {Took(1), Took(1, 3)}}};
  EXPECT_FALSE(AllEndedAlike(compared));
  EXPECT_THAT(CompareReport("sort", compared),
              HasSubstr("  libc        exited with status 0\n"
                        "  memalloc    exited with status 0\n"
                        "  memalloc    exited with status 3\n"));
  EXPECT_TRUE(
      AllEndedAlike({{"libc", {Took(1, 3)}}, {"memalloc", {Took(2, 3)}}}));
  EXPECT_FALSE(AllEndedAlike({{"libc", {Hung()}}, {"memalloc", {Hung()}}}));
}

TEST(CompareReportTest, OtherOutput) {
  MeasuredRun other = Took(1);
  other.output_hash = 7;
  EXPECT_THAT(
      CompareReport("sort", {{"libc", {Took(1)}}, {"memalloc", {other}}}),
      HasSubstr("what it wrote to stdout on memalloc differs from libc\n"));
  EXPECT_THAT(CompareReport(
                  "sort", {{"libc", {Took(1), other}}, {"memalloc", {other}}}),
              HasSubstr("differs from run to run on libc already\n"));
}

}  // namespace
}  // namespace memalloc::run
