// Reports: where they go, when they are written, and what a wrong path is told.

#include "memalloc/observe/reports.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <atomic>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/observe/report_writer.h"
#include "memalloc/runtime/options.h"
#include "memalloc/runtime/path_options.h"
#include "memalloc/runtime/runtime.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"
#include "testing/unit/worker.h"

namespace memalloc {
namespace {

using testing::EndsWith;
using testing::StartsWith;

std::string Get(PathOption option) { return GetPath(option).text; }
std::string Expanded(const std::string& path) {
  return ExpandPath(path.c_str()).text;
}

// ---- paths ----

CORE_TEST(Paths, LeadNowhereUnlessSaid) {
  Allocate(1);
  EXPECT_EQ(Get(PathOption::kStatsFile), "");
  EXPECT_EQ(Get(PathOption::kStats), "");
}

CORE_TEST(Paths, AreCopied) {
  fake_os::SetEnvironment("MEMALLOC_STATS_FILE", "/tmp/some file");
  fake_os::SetEnvironment("MEMALLOC_STATS", "stderr");
  Allocate(1);
  fake_os::SetEnvironment("MEMALLOC_STATS_FILE", "/xxx");
  EXPECT_EQ(Get(PathOption::kStatsFile), "/tmp/some file");
  EXPECT_EQ(Get(PathOption::kStats), "stderr");
}

CORE_TEST(Paths, OfAPrivilegedProgramCountForNothing) {
  fake_os::SetEnvironment("MEMALLOC_STATS_FILE", "/tmp/file");
  fake_os::SetSecureExecution(true);
  Allocate(1);
  EXPECT_EQ(Get(PathOption::kStatsFile), "");
}

CORE_TEST(Paths, AreSetAndPrintedByCalls) {
  char text[Path::kMaxLength + 1];
  EXPECT_EQ(SetOptionByName("stats", "/tmp/%p"), 0);
  EXPECT_EQ(PrintOption("stats", text, sizeof(text)), 7);
  EXPECT_STREQ(text, "/tmp/%p");
  const std::string longest = "/" + std::string(Path::kMaxLength - 1, 'x');
  EXPECT_EQ(SetOptionByName("stats", longest.c_str()), 0);
  EXPECT_EQ(Get(PathOption::kStats), longest);
  EXPECT_EQ(SetOptionByName("stats", (longest + "x").c_str()), EINVAL);
  EXPECT_EQ(SetOptionByName("stats", "relative"), EINVAL);
  EXPECT_EQ(SetOptionByName("stats_file", "stderr"), EINVAL);
  EXPECT_EQ(Get(PathOption::kStats), longest) << "as it was";
  EXPECT_EQ(SetOptionByName("stats", "stderr"), 0);
  EXPECT_EQ(Get(PathOption::kStats), "stderr") << "nothing of the longer one";
  EXPECT_EQ(SetOptionByName("stats", ""), 0);
  EXPECT_EQ(Get(PathOption::kStats), "");
}

CORE_TEST(Paths, NameTheProcess) {
  EXPECT_EQ(Expanded("/a.%p.txt"), "/a.4711.txt");
  EXPECT_EQ(Expanded("/%%p%p%"), "/%p4711%");
  EXPECT_EQ(Expanded("/%q"), "/%q");
  const std::string longest = "/" + std::string(Path::kMaxLength - 3, 'x');
  EXPECT_EQ(Expanded(longest + "%p"), longest + "47") << "cut";
}

TEST(Paths, WrongOnesAreTold) {
  for (const std::string& path :
       {std::string("relative"), "/" + std::string(255, 'x')}) {
    const std::string output = OutputUntilAbort([&] {
      fake_os::SetEnvironment("MEMALLOC_STATS_FILE", path);
      fake_os::SetEnvironment("MEMALLOC_STATS", path);
      Allocate(1);
      EXPECT_EQ(Get(PathOption::kStatsFile), "");
      abort();
    });
    const std::string shown =
        path.substr(0, 80) + (path[0] == '/' ? "..." : "");
    const std::string rest = "; it is ignored, see docs/errors.md#bad-value\n";
    const std::string wants = ": wants an absolute path of at most 255 bytes";
    EXPECT_EQ(output, "memalloc: MEMALLOC_STATS_FILE=" + shown + wants + rest +
                          "memalloc: MEMALLOC_STATS=" + shown + wants +
                          ", or stderr" + rest);
  }
}

// ---- the writer ----

CORE_TEST(ReportWriter, WritesPieceByPiece) {
  std::string expected;
  {
    ReportWriter writer("/report");
    for (int i = 0; i < 1000; ++i) {
      writer.Text("number ").Decimal(static_cast<uint64_t>(i)).Char(' ');
      writer.Hex(static_cast<uint64_t>(i) << 32).Bytes("\0\n", 2);
      char text[100];
      snprintf(text, sizeof(text), "number %d %llx", i, i * 0x100000000ULL);
      expected.append(text).append("\0\n", 2);
    }
    EXPECT_EQ(writer.Finish(), 0);
  }
  EXPECT_EQ(fake_os::Written("/report"), expected);
  EXPECT_EQ(fake_os::OpenFiles(), 0U);
}

CORE_TEST(ReportWriter, PiecesMayBeOfAnyLength) {
  const std::string piece(10000, 'x');
  {
    ReportWriter writer("/report");
    writer.Char('a').Bytes(piece.data(), piece.size()).Char('z');
    EXPECT_EQ(writer.Finish(), 0);
  }
  EXPECT_EQ(fake_os::Written("/report"), "a" + piece + "z");
}

CORE_TEST(ReportWriter, LeavesNothingBehindUnfinished) {
  { ReportWriter("/report").Text("half"); }
  EXPECT_EQ(fake_os::Files(), 0U);
  EXPECT_EQ(fake_os::OpenFiles(), 0U);
}

CORE_TEST(ReportWriter, TellsWhatFailed) {
  fake_os::RefuseFiles();
  errno = 4711;
  ReportWriter writer("/report");
  writer.Text("lost");
  EXPECT_EQ(writer.Finish(), EACCES);
  EXPECT_EQ(errno, 4711);
}

// ---- the reports ----

CORE_TEST(Reports, AreWrittenOnRequest) {
  Allocate(1);
  EXPECT_EQ(WriteReport("stats", "/here.%p"), 0);
  EXPECT_THAT(fake_os::Written("/here.4711"), StartsWith("memalloc: "));
  EXPECT_EQ(WriteReport("no such kind", "/here"), ENOENT);
  EXPECT_EQ(WriteReport(nullptr, "/here"), EINVAL);
  EXPECT_EQ(WriteReport("stats", nullptr), EINVAL);
  fake_os::RefuseFiles();
  EXPECT_EQ(WriteReport("stats", "/here"), EACCES);
}

CORE_TEST(Reports, GoWhereTheOptionsSay) {
  WriteWantedReports();
  EXPECT_EQ(SetOptionByName("stats", "/stats"), 0);
  EXPECT_EQ(fake_os::Written("/stats"), "");
  WriteWantedReports();
  EXPECT_THAT(fake_os::Written("/stats"), StartsWith("memalloc: "));
}

// Whoever drains a pipe may allocate; a disk may be slow.
CORE_TEST(Reports, AreWrittenWithNoLockHeld) {
  EXPECT_EQ(SetOptionByName("sample_interval", "1"), 0);
  for (size_t i = 0; i < 1000; ++i) Allocate(i);
  size_t writes = 0;
  fake_os::BeforeEachWrite([&writes] {
    EXPECT_TRUE(MayLookAtHeap());
    ++writes;
  });
  for (const char* kind :
       {"stats", "stats_json", "stats_prometheus", "heap_map", "profile",
        "profile_growth", "profile_peak", "profile_lifetimes"}) {
    SCOPED_TRACE(kind);
    writes = 0;
    EXPECT_EQ(WriteReport(kind, "/report"), 0);
    EXPECT_GT(writes, 0U);
  }
}

CORE_TEST(Reports, FailWhereMemoryForThemIsShort) {
  Allocate(1);
  fake_os::Fail(fake_os::Call::kReserve, 1);
  EXPECT_EQ(WriteReport("heap_map", "/map"), ENOMEM);
  EXPECT_EQ(fake_os::Files(), 0U);
}

// Rather than lacking what came since their memory was made.
CORE_TEST(Reports, HaveAllThoughTheHeapGrowsMeanwhile) {
  Allocate(1);
  fake_os::Before(fake_os::Call::kCommit, [] {
    for (int i = 0; i < 1000; ++i) Allocate(size_t{70} << 10);
  });
  EXPECT_EQ(WriteReport("heap_map", "/map"), 0);
  const std::string map = fake_os::Written("/map");
  EXPECT_THAT(map, EndsWith("}\n"));
  size_t blocks = 0;
  for (size_t at = 0; (at = map.find("\"is\":\"large\"", at)) != map.npos;) {
    ++blocks, ++at;
  }
  EXPECT_EQ(blocks, 1000U);
}

TEST(Reports, AFailureIsTold) {
  EXPECT_EQ(OutputUntilAbort([] {
              SetOptionByName("stats", "/stats");
              fake_os::RefuseFiles();
              WriteWantedReports();
              abort();
            }),
            "memalloc: cannot write stats to /stats: error 13; see "
            "docs/errors.md#cannot-write\n");
}

// ---- at exit ----

// A lock that nobody gives back: so it is when a handler that interrupted
// pthread_mutex_lock calls exit.
CORE_TEST(ReportsAtExit, DoNotWaitForever) {
  Allocate(1);
  EXPECT_TRUE(MayLookAtHeap());
  Worker worker;
  worker.Do([] { g_sampling_lock.Acquire(); });
  std::atomic<bool> ends{false};
  std::thread clock([&ends] {
    while (!ends) fake_os::PassTime(10);
  });
  EXPECT_FALSE(MayLookAtHeap());
  ends = true;
  clock.join();
  worker.Do([] { g_sampling_lock.Release(); });
  EXPECT_TRUE(MayLookAtHeap());
  const LockHolder holder(g_sampling_lock);
  EXPECT_FALSE(MayLookAtHeap()) << "at once";
}

// ---- the signal ----

void IgnoreSignal(int) {}

CORE_TEST(ReportSignal, IsHandledWhileTheOptionIsSet) {
  EXPECT_EQ(SetOptionByName("report_signal", "12"), 0);
  EXPECT_FALSE(TakeReportRequest());
  StopBackgroundThread();  // it would take the signal
  raise(SIGUSR2);
  EXPECT_TRUE(TakeReportRequest());
  EXPECT_FALSE(TakeReportRequest()) << "once";
  EXPECT_EQ(SetOptionByName("report_signal", "10"), 0);
  StopBackgroundThread();
  EXPECT_EQ(signal(SIGUSR2, SIG_DFL), SIG_DFL) << "given back";
  raise(SIGUSR1);
  EXPECT_TRUE(TakeReportRequest());
  EXPECT_EQ(SetOptionByName("report_signal", "0"), 0);
  EXPECT_EQ(signal(SIGUSR1, &IgnoreSignal), SIG_DFL);
  EXPECT_EQ(SetOptionByName("report_signal", "10"), 0);
  EXPECT_EQ(SetOptionByName("report_signal", "10"), 0);
  EXPECT_EQ(SetOptionByName("report_signal", "0"), 0);
  EXPECT_EQ(signal(SIGUSR1, SIG_DFL), &IgnoreSignal) << "as it was";
  EXPECT_EQ(SetOptionByName("report_signal", "9"), EINVAL) << "SIGKILL";
}

}  // namespace
}  // namespace memalloc
