// The leak report: which samples are lost, what is told of them, and what of
// that is suppressed. Roots are what the file of mappings says, an array here.

#include "memalloc/observe/leaks.h"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/observe/leak_suppressions.h"
#include "memalloc/observe/mapped_memory.h"
#include "memalloc/observe/reports.h"
#include "memalloc/runtime/options.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"
#include "testing/unit/worker.h"

namespace memalloc {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// ---- patterns ----

bool Matches(const char* pattern, const char* name) {
  return MatchesPattern(SpanOf(pattern), SpanOf(name));
}

TEST(LeakPatterns, StandForAPartOfAName) {
  EXPECT_TRUE(Matches("foo", "foo"));
  EXPECT_TRUE(Matches("foo", "a foo b"));
  EXPECT_FALSE(Matches("foo", "fo"));
  EXPECT_FALSE(Matches("foo", "fo o"));
  EXPECT_TRUE(Matches("ab", "aab"));
  EXPECT_TRUE(Matches("aab", "aaab")) << "begins again inside of what fitted";
}

TEST(LeakPatterns, HaveStars) {
  EXPECT_TRUE(Matches("a*b", "xaybz"));
  EXPECT_TRUE(Matches("a*b", "ab"));
  EXPECT_FALSE(Matches("a*b", "ba"));
  EXPECT_TRUE(Matches("a*b*c", "abbc"));
  EXPECT_TRUE(Matches("*", ""));
  EXPECT_FALSE(Matches("a*", "b"));
}

TEST(LeakPatterns, HaveEnds) {
  EXPECT_TRUE(Matches("^ab", "abc"));
  EXPECT_FALSE(Matches("^bc", "abc"));
  EXPECT_TRUE(Matches("bc$", "abc"));
  EXPECT_FALSE(Matches("ab$", "abc"));
  EXPECT_TRUE(Matches("ab$", "abab"));
  EXPECT_TRUE(Matches("^abc$", "abc"));
  EXPECT_FALSE(Matches("^ab$", "abab"));
  EXPECT_TRUE(Matches("^a*c$", "abcbc"));
  EXPECT_FALSE(Matches("^a*d$", "abcbc"));
}

CORE_TEST(LeakSuppressions, AreReadFromAFile) {
  fake_os::SetFile("/s", "# all\n\n  leak:first  \r\nleak:sec*nd");
  LeakSuppressions suppressions("/s");
  EXPECT_EQ(suppressions.end() - suppressions.begin(), 2);
  EXPECT_EQ(suppressions.Find(SpanOf("the first")), suppressions.begin());
  EXPECT_EQ(suppressions.Find(SpanOf("second")), suppressions.begin() + 1);
  EXPECT_EQ(suppressions.Find(SpanOf("third")), nullptr);
  EXPECT_EQ(suppressions.Find(SpanOf("")), nullptr);
  EXPECT_FALSE(suppressions.is_missing());
  EXPECT_EQ(suppressions.bad_line(), 0U);
}

CORE_TEST(LeakSuppressions, TellWhatIsWrongWithTheFile) {
  EXPECT_TRUE(LeakSuppressions("/none").is_missing());
  EXPECT_FALSE(LeakSuppressions("").is_missing());
  fake_os::SetFile("/s", "leak:a\nrace:b\nleak:\n");
  LeakSuppressions suppressions("/s");
  EXPECT_EQ(suppressions.end() - suppressions.begin(), 1);
  EXPECT_EQ(suppressions.bad_line(), 2U);
}

CORE_TEST(LeakSuppressions, DropALineThatIsCut) {
  fake_os::SetFile("/s", "leak:a\nleak:" + std::string(size_t{1} << 20, 'b'));
  LeakSuppressions suppressions("/s");
  EXPECT_EQ(suppressions.end() - suppressions.begin(), 1);
  EXPECT_EQ(suppressions.bad_line(), 2U);
}

// ---- the report ----

// All that there is beside the heap.
alignas(4096) void* g_roots[512];

void SetRoots(const char* rights, const void* memory = g_roots,
              size_t bytes = sizeof(g_roots)) {
  char line[100];
  const auto start = reinterpret_cast<uintptr_t>(memory);
  snprintf(line, sizeof(line), "%lx-%lx %s 00000000 00:00 0\n",
           static_cast<unsigned long>(start),
           static_cast<unsigned long>(start + bytes), rights);
  fake_os::SetFile("/proc/self/maps", line);
}

void Begin() {
  SetOption(Option::kSampleInterval, 1);
  SetRoots("rw-p");
}

std::string Report() {
  EXPECT_EQ(WriteReport("leaks", "/leaks"), 0);
  return fake_os::Written("/leaks");
}

void ExpectLost(const std::string& bytes, const std::string& count) {
  EXPECT_THAT(Report(),
              EndsWith("SUMMARY: memalloc: " + bytes + " byte(s) leaked in " +
                       count + " allocation(s).\n"));
}

// Lets the allocation lead to the other one, from its last word.
void* Lead(void* from, void* to) {
  memcpy(static_cast<char*>(from) + UsableSize(from) - sizeof(to), &to,
         sizeof(to));
  return from;
}

CORE_TEST(Leaks, AreWhatNothingLeadsTo) {
  Begin();
  ExpectLost("0", "0");
  void* cell = Allocate(64);
  ExpectLost("64", "1");
  g_roots[511] = cell;
  ExpectLost("0", "0");
  g_roots[511] = static_cast<char*>(cell) + 63;
  ExpectLost("0", "0");
  g_roots[511] = static_cast<char*>(cell) + 64;
  ExpectLost("64", "1");
  Free(cell);
  ExpectLost("0", "0");
}

CORE_TEST(Leaks, HaveAnySize) {
  Begin();
  for (const size_t size :
       {size_t{1}, size_t{5000}, size_t{1} << 20, size_t{32} << 20}) {
    void* lost = Allocate(size);
    const std::string bytes = std::to_string(UsableSize(lost));
    ExpectLost(bytes, "1");
    g_roots[0] = static_cast<char*>(lost) + size - 1;
    ExpectLost("0", "0");
    void* behind = Allocate(16);
    ExpectLost("16", "1");
    if (size > 16) {
      Lead(lost, behind);
      ExpectLost("0", "0");
    }
    Free(behind);
    Free(lost);
    g_roots[0] = nullptr;
  }
}

CORE_TEST(Leaks, AreOnlySamples) {
  Begin();
  SetOption(Option::kSampleInterval, 0);
  void* unknown = Allocate(96);
  SetOption(Option::kSampleInterval, 1);
  void* sample = Allocate(64);
  ExpectLost("64", "1");
  Lead(unknown, sample);
  ExpectLost("64", "1");
  g_roots[0] = unknown;
  ExpectLost("0", "0");
}

CORE_TEST(Leaks, AreNotHeldByFreedCells) {
  Begin();
  void* lost = Allocate(64);
  SetOption(Option::kSampleInterval, 0);
  void* freed = Lead(Allocate(64), lost);
  g_roots[0] = freed;
  ExpectLost("0", "0");
  Free(freed);
  ExpectLost("64", "1");
}

// It may have been allocated since the heap was looked at.
CORE_TEST(Leaks, AreHeldByFreeMemory) {
  Begin();
  void* lost = Allocate(64);
  SetOption(Option::kSampleInterval, 0);
  for (const size_t size : {size_t{20000}, size_t{1} << 20, size_t{32} << 20}) {
    g_roots[0] = Allocate(size);
    Lead(g_roots[0], lost);
    ExpectLost("0", "0");
    Free(g_roots[0]);
    ExpectLost("0", "0");
    // Whatever the caches gave back.
    g_roots[0] = nullptr;
    ExpectLost("64", "1");
  }
}

CORE_TEST(Leaks, AreNotHeldByThreadsHeapsAndTables) {
  Begin();
  Worker worker;
  worker.Do([] {
    Allocate(100);
    Free(Allocate(100));
  });
  // The report waits between its scans, as there are threads.
  std::atomic<bool> is_written{false};
  std::thread clock([&is_written] {
    while (!is_written) fake_os::PassTime(20);
  });
  ExpectLost("112", "1");
  is_written = true;
  clock.join();
}

// Another thread makes one too, or did when the process was forked.
CORE_TEST(Leaks, AreNotHeldByOtherReports) {
  Begin();
  const MappedMemory memory(sizeof(void*));
  *memory.As<void*>() = Allocate(64);
  SetRoots("rw-p", memory.As<void>(), memory.bytes());
  ExpectLost("64", "1");
  MappedMemory kept(sizeof(void*));
  *kept.As<void*>() = *memory.As<void*>();
  const auto* start = kept.As<void>();
  kept.Release();
  SetRoots("rw-p", start, kept.bytes());
  ExpectLost("0", "0");
}

CORE_TEST(Leaks, AreHeldByGuardedAllocations) {
  Begin();
  void* lost = Allocate(64);
  SetOption(Option::kSampleInterval, 0);
  SetOption(Option::kGuardSampleRate, 1);
  void* guarded = g_guard_pool.Allocate(64);
  memcpy(guarded, &lost, sizeof(lost));
  ExpectLost("64", "1");
  g_roots[0] = guarded;
  ExpectLost("0", "0");
}

CORE_TEST(Leaks, AreDirectOrIndirect) {
  Begin();
  // Whatever the order in which they were made.
  void* first = Allocate(64);
  void* second = Allocate(64);
  void* third = Allocate(64);
  Lead(third, Lead(first, second));
  const std::string report = Report();
  EXPECT_THAT(report, HasSubstr("Direct leak of 64 byte(s) in 1 object(s)"));
  const size_t indirect = report.find("Indirect leak of 64 byte(s)");
  EXPECT_NE(indirect, std::string::npos);
  EXPECT_NE(report.find("Indirect leak of 64 byte(s)", indirect + 1),
            std::string::npos);
  ExpectLost("192", "3");
}

CORE_TEST(Leaks, OfACycleAreDirectOnce) {
  Begin();
  void* first = Allocate(64);
  void* second = Allocate(64);
  Lead(first, second);
  Lead(second, first);
  const std::string report = Report();
  EXPECT_THAT(report, HasSubstr("Direct leak of 64 byte(s) in 1 object(s)"));
  EXPECT_THAT(report, HasSubstr("Indirect leak of 64 byte(s) in 1 object(s)"));
}

CORE_TEST(Leaks, AreEstimatedFromSamples) {
  Begin();
  SetOption(Option::kSampleInterval, 1000);
  for (int i = 0; i < 20000; ++i) Allocate(96);
  const std::string report = Report();
  EXPECT_THAT(report, HasSubstr("estimates from samples, one in 1000 bytes"));
  unsigned long bytes = 0;
  const size_t found = report.find("SUMMARY: memalloc: ");
  sscanf(report.c_str() + found, "SUMMARY: memalloc: %lu", &bytes);
  EXPECT_NEAR(static_cast<double>(bytes), 20000.0 * 96, 20000.0 * 10);
}

CORE_TEST(Leaks, DoNotCountWhatCanBeReached) {
  Begin();
  g_roots[0] = Allocate(64);
  EXPECT_THAT(Report(),
              HasSubstr("Still reachable: 64 byte(s) in 1 allocation(s).\n"));
  EXPECT_THAT(Report(), Not(HasSubstr("object(s)")));
  SetOption(Option::kLeaksReachable, 1);
  EXPECT_THAT(Report(), HasSubstr("Still reachable: 64 byte(s) in 1 object(s) "
                                  "allocated from:\n"));
  EXPECT_FALSE(HasFoundLeaks());
}

CORE_TEST(Leaks, AreHeldByMemoryThatCannotBeWrittenTo) {
  Begin();
  g_roots[0] = Allocate(64);
  SetRoots("r--p");
  ExpectLost("0", "0");
  EXPECT_FALSE(HasFoundLeaks());
  SetRoots("---p");
  ExpectLost("64", "1");
  EXPECT_TRUE(HasFoundLeaks());
}

CORE_TEST(Leaks, NeedTheMappings) {
  Begin();
  Allocate(64);
  ExpectLost("64", "1");
  fake_os::SetFile("/proc/self/maps", "");
  EXPECT_THAT(Report(), HasSubstr("The heap could not be scanned"));
  EXPECT_FALSE(HasFoundLeaks()) << "a verdict of before";
}

// By more cells than there is room for beside those that were counted.
CORE_TEST(Leaks, AreFoundInAHeapThatGrows) {
  Begin();
  Allocate(64);
  SetOption(Option::kSampleInterval, 0);
  fake_os::Before(fake_os::Call::kReserve, [] {
    for (int i = 0; i < 3000000; ++i) Allocate(16);
  });
  ExpectLost("64", "1");
}

CORE_TEST(Leaks, NeedMemory) {
  Begin();
  Allocate(64);
  fake_os::FailAny(1, fake_os::kForEver);
  EXPECT_THAT(Report(), HasSubstr("The heap could not be scanned"));
}

CORE_TEST(Leaks, SaySoWhenNothingIsRecorded) {
  Begin();
  SetOption(Option::kSampleInterval, 0);
  Allocate(64);
  EXPECT_THAT(Report(), HasSubstr("nothing is recorded"));
}

}  // namespace
}  // namespace memalloc
