// The guard pool: placement, quarantine, shortage, and what each mistake is
// called. Faults are shown to it by the fake kernel.

#include "memalloc/heap/guard_pool.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/sized_free.h"
#include "memalloc/os/os.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSee[] = "; see docs/errors.md#guarded-allocation";

uintptr_t AddressOf(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

char* Guarded(size_t size) {
  return static_cast<char*>(g_guard_pool.Allocate(size));
}

std::vector<void*> GuardedMany(size_t size, size_t count) {
  std::vector<void*> all;
  for (size_t i = 0; i < count; ++i) all.push_back(Guarded(size));
  return all;
}

// At the right end of its page, or at the left one.
char* GuardedAt(bool right, size_t size) {
  for (;;) {
    char* pointer = Guarded(size);
    if ((AddressOf(pointer) % os::PageSize() != 0) == right) return pointer;
  }
}

bool IsClosed() { return Guarded(1) == nullptr; }

std::string Text(const void* pointer) {
  LineBuffer line;
  line.Pointer(pointer);
  return std::string(line.data(), line.size());
}

// ---- allocations ----

CORE_TEST(GuardPool, HandsOutWritableMemoryOfItsOwn) {
  for (const size_t size : {0, 1, 16, 100, 4096}) {
    char* pointer = Guarded(size);
    ASSERT_NE(pointer, nullptr);
    EXPECT_EQ(AddressOf(pointer) % 16, 0U);
    EXPECT_TRUE(GuardPool::Has(AddressOf(pointer)));
    EXPECT_TRUE(Owns(pointer));
    EXPECT_EQ(UsableSize(pointer), size);
    Fill(pointer, size, size);
    EXPECT_TRUE(HasPattern(pointer, size, size));
    Free(pointer);
  }
  g_guard_pool.Check();
}

CORE_TEST(GuardPool, IsNotMadeBeforeItIsUsed) {
  void* plain = Allocate(100);
  EXPECT_FALSE(GuardPool::Has(AddressOf(plain)));
  EXPECT_FALSE(fake_os::FaultsAreWatched());
  g_guard_pool.Check();
  EXPECT_EQ(g_guard_pool.Counts().resident_bytes, 0U);
  Guarded(100);
  EXPECT_TRUE(fake_os::FaultsAreWatched());
}

CORE_TEST(GuardPool, StandsAtEitherEndOfAPage) {
  std::set<uintptr_t> offsets;
  for (void* pointer : GuardedMany(100, 32)) {
    offsets.insert(AddressOf(pointer) % os::PageSize());
  }
  EXPECT_THAT(offsets, ElementsAre(0, os::PageSize() - 112));
}

CORE_TEST(GuardPool, KeepsAlignmentsThatDivideTheSize) {
  for (void* pointer : GuardedMany(192, 32)) {
    EXPECT_EQ(AddressOf(pointer) % 64, 0U);
  }
}

CORE_TEST(GuardPool, ServesNoMoreThanAPage) {
  EXPECT_NE(Guarded(os::PageSize()), nullptr);
  EXPECT_EQ(Guarded(os::PageSize() + 1), nullptr);
  EXPECT_EQ(Guarded(SIZE_MAX), nullptr);
}

CORE_TEST(GuardPool, ReusesTheOldestOnceAQuarterWaits) {
  SetOption(Option::kGuardSlots, 8);
  const std::vector<void*> all = GuardedMany(os::PageSize(), 8);
  EXPECT_EQ(Guarded(1), nullptr);
  for (const size_t i : {5, 2}) Free(all[i]);
  EXPECT_EQ(Guarded(os::PageSize()), nullptr);
  for (const size_t i : {7, 0}) Free(all[i]);
  EXPECT_EQ(Guarded(os::PageSize()), all[5]);
  EXPECT_EQ(Guarded(os::PageSize()), all[2]);
  EXPECT_EQ(Guarded(os::PageSize()), nullptr);
  g_guard_pool.Check();
}

// Each stack says whose it is.
CORE_TEST(GuardPool, CapturesNoStacksInVain) {
  SetOption(Option::kGuardSlots, 4);
  const std::vector<void*> all = GuardedMany(1, 4);
  const size_t before = fake_os::CountThreadIds();
  EXPECT_GE(before, 4U);
  EXPECT_EQ(Guarded(1), nullptr);
  EXPECT_EQ(fake_os::CountThreadIds(), before);
  for (int i = 0; i < 2; ++i) Free(all[i]);
  EXPECT_NE(Guarded(1), nullptr);
  EXPECT_EQ(Guarded(1), nullptr) << "one waits, as it was freed last";
}

CORE_TEST(GuardPool, CapturesNoStacksWhereItCannotBeMade) {
  fake_os::Fail(fake_os::Call::kReserve, 1);
  EXPECT_EQ(Guarded(1), nullptr);
  const size_t before = fake_os::CountThreadIds();
  EXPECT_EQ(Guarded(1), nullptr);
  EXPECT_EQ(fake_os::CountThreadIds(), before);
}

CORE_TEST(GuardPool, GivesThePagesOfFreedOnesBack) {
  void* pointer = Guarded(100);
  const size_t before = g_guard_pool.Counts().resident_bytes;
  EXPECT_EQ(g_guard_pool.Counts().live, 1U);
  EXPECT_EQ(g_guard_pool.Counts().live_bytes, 100U);
  Free(pointer);
  EXPECT_EQ(fake_os::PurgedBytes(), os::PageSize());
  EXPECT_EQ(g_guard_pool.Counts().live, 0U);
  EXPECT_EQ(g_guard_pool.Counts().resident_bytes, before - os::PageSize());
}

CORE_TEST(GuardPool, HasNoSlotsIfNoneAreWanted) {
  SetOption(Option::kGuardSlots, 0);
  EXPECT_EQ(Guarded(1), nullptr);
  EXPECT_EQ(fake_os::CountAll(), 0U);
}

TEST(GuardPool, SurvivesEachRefusedCall) {
  for (const bool leaves_holes : {false, true}) {
    for (size_t nth = 1; nth <= 12; ++nth) {
      SCOPED_TRACE(nth);
      RunInFreshProcess([nth, leaves_holes] {
        if (leaves_holes) fake_os::RefusalsLeaveHoles();
        SetOption(Option::kGuardSlots, 2);
        fake_os::FailAny(nth);
        for (int i = 0; i < 4; ++i) {
          for (void* pointer : GuardedMany(100, 2)) {
            if (pointer == nullptr) continue;
            Fill(pointer, 100, 1);
            Free(pointer);
          }
        }
        EXPECT_TRUE(fake_os::HasFailed());
        g_guard_pool.Check();
      });
    }
  }
}

// ---- the other calls ----

CORE_TEST(GuardPool, ReallocMovesAndKeepsTheContents) {
  for (const size_t size : {50, 100, 200, 100000}) {
    char* pointer = Guarded(100);
    Fill(pointer, 100, 7);
    char* moved = static_cast<char*>(Reallocate(pointer, size));
    ASSERT_NE(moved, pointer);
    EXPECT_TRUE(HasPattern(moved, Min<size_t>(size, 100), 7, 100));
    Free(moved);
  }
  EXPECT_EQ(g_guard_pool.Counts().live, 0U);
}

CORE_TEST(GuardPool, ReallocThatFailsLeavesItAsItWas) {
  char* pointer = Guarded(100);
  Fill(pointer, 100, 7);
  EXPECT_EQ(Reallocate(pointer, SIZE_MAX), nullptr);
  EXPECT_EQ(Reallocate(pointer, kMaxRequest), nullptr);
  fake_os::FailAny(1, fake_os::kForEver);
  EXPECT_EQ(Reallocate(pointer, 200), nullptr);
  EXPECT_EQ(Reallocate(pointer, 10), pointer);
  EXPECT_TRUE(HasPattern(pointer, 100, 7));
  FreeSized(pointer, 10, "free_sized");
  EXPECT_EQ(g_guard_pool.Counts().live, 0U);
}

CORE_TEST(GuardPool, TakesSizedFrees) {
  FreeSized(Guarded(100), 100, "free_sized");
  FreeSized(Guarded(100), 50, "free_sized");
  FreeSized(Guarded(0), 0, "free_sized");
  FreeSized(Guarded(os::PageSize()), os::PageSize(), "free_sized");
  FreeAligned(Guarded(os::PageSize()), os::PageSize(), "operator delete");
  EXPECT_EQ(g_guard_pool.Counts().live, 0U);
}

// ---- mistakes ----

// That the report of what `body` does begins with the line that it announces,
// and has these parts in that order. The body ends by abort.
void ExpectReport(const std::function<void()>& body,
                  const std::vector<std::string>& parts) {
  const std::string output = OutputUntilAbort(body);
  const size_t end = output.find('\n') + 1;
  const std::string line = output.substr(0, end);
  EXPECT_EQ(output.substr(end, end), line);
  size_t from = 2 * end;
  for (const std::string& part : parts) {
    const size_t found = output.find(part, from);
    EXPECT_NE(found, std::string::npos) << part << " is not in\n" << output;
    if (found != std::string::npos) from = found;
  }
  const bool is_freed = !parts.empty() && parts.back() == "  freed by";
  EXPECT_EQ(output.find("  freed by") != std::string::npos, is_freed) << output;
}

// `pointer` is where the line says that the mistake was.
void Announce(const std::string& call, const void* pointer,
              const std::string& what, size_t distance,
              const std::string& where, size_t size, const void* start) {
  printf("memalloc: %s(%s): %s, %zu byte%s %s the %zu bytes at %s%s\n",
         call.c_str(), Text(pointer).c_str(), what.c_str(), distance,
         distance == 1 ? "" : "s", where.c_str(), size, Text(start).c_str(),
         kSee);
  fflush(stdout);
}

const std::vector<std::string> kOfLive = {"  done by thread 4712:\n    #0 0x",
                                          "  allocated by thread 4712:\n"};
const std::vector<std::string> kOfLate = {"  noticed by", "  allocated by"};
const std::vector<std::string> kOfFreed = {"  done by", "  allocated by",
                                           "  freed by"};

TEST(GuardMistake, DoubleFree) {
  ExpectReport(
      [] {
        char* pointer = Guarded(100);
        Free(pointer);
        Announce("free", pointer, "double free", 0, "into", 100, pointer);
        Free(pointer);
      },
      kOfFreed);
  ExpectReport(
      [] {
        char* pointer = Guarded(100);
        Free(pointer);
        Announce("free_sized", pointer, "double free", 0, "into", 100, pointer);
        FreeSized(pointer, 100, "free_sized");
      },
      kOfFreed);
}

TEST(GuardMistake, InteriorPointer) {
  ExpectReport(
      [] {
        char* pointer = Guarded(100);
        Announce("free", pointer + 16, "not the start of an allocation", 16,
                 "into", 100, pointer);
        Free(pointer + 16);
      },
      kOfLive);
  ExpectReport(
      [] {
        char* pointer = Guarded(100);
        Announce("realloc", pointer - 1, "not the start of an allocation", 1,
                 "before", 100, pointer);
        Reallocate(pointer - 1, 10);
      },
      kOfLive);
}

TEST(GuardMistake, OtherCallsAfterFree) {
  ExpectReport(
      [] {
        char* pointer = Guarded(100);
        Free(pointer);
        Announce("realloc", pointer, "use after free", 0, "into", 100, pointer);
        Reallocate(pointer, 200);
      },
      kOfFreed);
  ExpectReport(
      [] {
        char* pointer = Guarded(100);
        Free(pointer);
        Announce("malloc_usable_size", pointer, "use after free", 0, "into",
                 100, pointer);
        UsableSize(pointer);
      },
      kOfFreed);
}

TEST(GuardMistake, WriteBesideThatIsNoticedLate) {
  for (const bool right : {false, true}) {
    ExpectReport(
        [right] {
          char* pointer = GuardedAt(right, 100);
          pointer[100] = '\0';
          Announce("free", pointer + 100, "overflow (noticed late)", 0,
                   "behind the end of", 100, pointer);
          Free(pointer);
        },
        kOfLate);
  }
  ExpectReport(
      [] {
        char* pointer = GuardedAt(/*right=*/true, 100);
        pointer[-3] = 1;
        pointer[-30] = 1;
        Announce("heap", pointer - 3, "underflow (noticed late)", 3, "before",
                 100, pointer);
        g_guard_pool.Check();
      },
      kOfLate);
}

TEST(GuardMistake, WrongSize) {
  RunUntilAbort([] {
    char* pointer = Guarded(100);
    ExpectLastLine("memalloc: free_sized(" + Text(pointer) +
                   "): the size is 101, but the allocation has 100 bytes; see "
                   "docs/errors.md#size-mismatch");
    FreeSized(pointer, 101, "free_sized");
  });
  RunUntilAbort([] {
    char* pointer = Guarded(100);
    ExpectLastLine("memalloc: free_sized(" + Text(pointer) +
                   "): the size is 49, but the allocation has 100 bytes; see "
                   "docs/errors.md#size-mismatch");
    FreeSized(pointer, 49, "free_sized");
  });
}

// ---- faults ----

void Fault(const char* address, os::Access access) {
  fake_os::ShowFault({AddressOf(address), 0, access});
}

TEST(GuardFault, UseAfterFree) {
  ExpectReport(
      [] {
        char* pointer = Guarded(100);
        Free(pointer);
        Announce("read", pointer + 4, "use after free", 4, "into", 100,
                 pointer);
        Fault(pointer + 4, os::Access::kRead);
        abort();
      },
      kOfFreed);
}

TEST(GuardFault, BeyondTheEnds) {
  ExpectReport(
      [] {
        char* pointer = GuardedAt(/*right=*/true, 100);
        Announce("write", pointer + 112, "overflow", 12, "behind the end of",
                 100, pointer);
        Fault(pointer + 112, os::Access::kWrite);
        abort();
      },
      kOfLive);
  ExpectReport(
      [] {
        char* pointer = GuardedAt(/*right=*/false, 100);
        Announce("access", pointer - 1, "underflow", 1, "before", 100, pointer);
        Fault(pointer - 1, os::Access::kUnknown);
        abort();
      },
      kOfLive);
}

// Of a guard between two slots.
TEST(GuardFault, IsOfTheNearerOneButOfALiveOneFirst) {
  const auto guard = [](char* left) {
    return reinterpret_cast<char*>(RoundDown(AddressOf(left), os::PageSize()) +
                                   os::PageSize());
  };
  for (const bool near_left : {false, true}) {
    ExpectReport(
        [&] {
          char* left = Guarded(os::PageSize());
          char* right = Guarded(os::PageSize());
          char* address =
              near_left ? guard(left) + 10 : guard(left) + os::PageSize() - 10;
          if (near_left) {
            Announce("read", address, "overflow", 10, "behind the end of",
                     os::PageSize(), left);
          } else {
            Announce("read", address, "underflow", 10, "before", os::PageSize(),
                     right);
          }
          Fault(address, os::Access::kRead);
          abort();
        },
        kOfLive);
  }
  ExpectReport(
      [&] {
        char* left = Guarded(os::PageSize());
        char* right = Guarded(os::PageSize());
        Free(left);
        char* address = guard(left) + 10;
        Announce("read", address, "underflow", os::PageSize() - 10, "before",
                 os::PageSize(), right);
        Fault(address, os::Access::kRead);
        abort();
      },
      kOfLive);
}

TEST(GuardFault, WhereNothingEverWas) {
  const std::string output = OutputUntilAbort([] {
    SetOption(Option::kGuardSlots, 8);
    char* pointer = Guarded(100);
    Fault(pointer + 10 * os::PageSize(), os::Access::kRead);
    abort();
  });
  EXPECT_THAT(output, HasSubstr("): no allocation was ever near; see "));
  EXPECT_THAT(output, Not(HasSubstr("allocated by")));
}

CORE_TEST(GuardFault, ElsewhereIsNotTold) {
  Guarded(100);
  char* plain = static_cast<char*>(Allocate(100));
  Fault(nullptr, os::Access::kRead);
  Fault(plain, os::Access::kRead);
  EXPECT_FALSE(IsClosed());
}

TEST(GuardFault, IsToldOnceAndClosesThePool) {
  const std::string output = OutputUntilAbort([] {
    char* pointer = Guarded(100);
    char* other = Guarded(100);
    Free(pointer);
    Fault(pointer, os::Access::kRead);
    Fault(pointer, os::Access::kRead);
    if (!IsClosed()) _exit(1);
    // Stays, as what is told may be about it.
    Free(other);
    if (g_guard_pool.Counts().live != 1) _exit(2);
    abort();
  });
  const size_t first = output.find("use after free");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(output.find("use after free", first + 1), std::string::npos);
}

}  // namespace
}  // namespace memalloc
