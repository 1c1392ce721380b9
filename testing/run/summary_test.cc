// The text of --stats, and the statistics lines that it is made from.
//
// Whole texts are compared: they are what users read and scripts parse. The
// figures of a real run are checked in stats_test.cc.

#include "tools/run/summary.h"

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tools/run/stats_file.h"
#include "tools/run/supervise.h"

namespace memalloc::run {
namespace {

constexpr char kLine[] =
    "pid=812 program=python3 live_bytes=1234567 peak_bytes=12894032 arenas=4 "
    "blocks=231 heap_bytes=16777216 rss_bytes=9000000 peak_rss_bytes=20000000 "
    "threads=3";

Ending Ended(int wait_status) {
  Ending ending;
  ending.pid = 812;
  ending.wait_status = wait_status;
  ending.usage.ru_maxrss = 2048;
  return ending;
}

TEST(StatsLineTest, AllFields) {
  const std::optional<ProcessStats> stats = ParseStatsLine(kLine);
  ASSERT_TRUE(stats.has_value());
  EXPECT_EQ(stats->pid, 812);
  EXPECT_EQ(stats->live_bytes, 1234567u);
  EXPECT_EQ(stats->peak_bytes, 12894032u);
  EXPECT_EQ(stats->arenas, 4u);
  EXPECT_EQ(stats->blocks, 231u);
  EXPECT_EQ(stats->heap_bytes, 16777216u);
  EXPECT_EQ(stats->rss_bytes, 9000000u);
  EXPECT_EQ(stats->peak_rss_bytes, 20000000u);
  EXPECT_EQ(stats->threads, 3u);
}

TEST(StatsLineTest, UnknownAndMissingKeys) {
  const std::optional<ProcessStats> stats = ParseStatsLine(
      "program=a=b colour=red pid=5 threads=18446744073709551615");
  ASSERT_TRUE(stats.has_value());
  EXPECT_EQ(stats->pid, 5);
  EXPECT_EQ(stats->threads, UINT64_MAX);
  EXPECT_FALSE(stats->live_bytes.has_value());
}

TEST(StatsLineTest, BadNumbersAreAbsent) {
  const std::optional<ProcessStats> stats =
      ParseStatsLine("pid=5 live_bytes=-1 arenas= blocks=4x heap_bytes");
  ASSERT_TRUE(stats.has_value());
  EXPECT_FALSE(stats->live_bytes.has_value());
  EXPECT_FALSE(stats->arenas.has_value());
  EXPECT_FALSE(stats->blocks.has_value());
  EXPECT_FALSE(stats->heap_bytes.has_value());
}

TEST(StatsLineTest, NotOurs) {
  for (const char* line : {"", " ", "live_bytes=5", "pid=", "pid=x", "pid=0",
                           "pid=-3", "pid=99999999999"}) {
    EXPECT_FALSE(ParseStatsLine(line).has_value()) << line;
  }
}

TEST(SummaryTest, HumanBytes) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1024), "1.0 KiB");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes((1 << 20) - 1), "1.0 MiB") << "not 1024.0 KiB";
  EXPECT_EQ(HumanBytes(12894032), "12.3 MiB");
  EXPECT_EQ(HumanBytes(uint64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(HumanBytes(UINT64_MAX), "16.0 EiB");
}

TEST(SummaryTest, NormalEnd) {
  EXPECT_EQ(Summary("python3", Ended(7 << 8), {*ParseStatsLine(kLine)}),
            "memalloc_run: python3 (pid 812) exited with status 7\n"
            "  peak in use       12.3 MiB  12894032 bytes\n"
            "  live at exit       1.2 MiB  1234567 bytes\n"
            "  heap              16.0 MiB  16777216 bytes, arenas: 4, blocks: "
            "231\n"
            "  RSS at exit        8.6 MiB  9000000 bytes\n"
            "  peak RSS          19.1 MiB  20000000 bytes\n"
            "  thread heaps             3\n");
}

TEST(SummaryTest, OtherProcesses) {
  const std::vector<ProcessStats> processes = {
      *ParseStatsLine("pid=813 peak_bytes=1024"),
      *ParseStatsLine("pid=812 live_bytes=512"),
      *ParseStatsLine("pid=814 peak_bytes=1024"), *ParseStatsLine("pid=815")};
  EXPECT_EQ(Summary("make", Ended(0), processes),
            "memalloc_run: make (pid 812) exited with status 0\n"
            "  live at exit         512 B  512 bytes\n"
            "  peak RSS           2.0 MiB  2097152 bytes, or of a child that "
            "was larger\n"
            "  other processes    2.0 KiB  2048 bytes of peaks in use, "
            "processes: 3\n");
}

TEST(SummaryTest, KilledBySignal) {
  EXPECT_EQ(Summary("server", Ended(11), {}),
            "memalloc_run: server (pid 812) killed by signal 11 (Segmentation "
            "fault)\n"
            "  no heap figures: the signal ended the program before memalloc "
            "could write them\n"
            "  peak RSS           2.0 MiB  2097152 bytes, or of a child that "
            "was larger\n");
}

TEST(SummaryTest, NoLineAfterANormalEnd) {
  EXPECT_EQ(
      Summary("sh", Ended(0), {}),
      "memalloc_run: sh (pid 812) exited with status 0\n"
      "  no heap figures: the program left by _exit(), allocated nothing, "
      "could "
      "not\n"
      "  write to $TMPDIR, or does not use memalloc (it has its own malloc, or "
      "dropped\n"
      "  LD_PRELOAD)\n"
      "  peak RSS           2.0 MiB  2097152 bytes, or of a child that was "
      "larger\n");
}

}  // namespace
}  // namespace memalloc::run
