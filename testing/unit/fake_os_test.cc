// The fake kernel and the fresh process themselves: that they notice what the
// other tests rely on them to notice.

#include "testing/unit/fake_os.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/os/os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::Call;
using ::testing::HasSubstr;

constexpr size_t kMiB = 1024 * 1024;

// ---- the fresh process ----

TEST(FreshProcess, NoticesThatTheBodyFails) {
  EXPECT_EQ(FailureInFreshProcess([] {}), "");
  EXPECT_THAT(FailureInFreshProcess([] { EXPECT_EQ(1, 2) << "in the child"; }),
              HasSubstr("in the child"));
  EXPECT_THAT(FailureInFreshProcess([] {
                Worker worker;
                worker.Do([] { ADD_FAILURE() << "in a thread"; });
              }),
              HasSubstr("in a thread"));
  EXPECT_THAT(FailureInFreshProcess([] { abort(); }), HasSubstr("signal 6"));
  EXPECT_THAT(FailureInFreshProcess([] { _exit(7); }),
              HasSubstr("exited with 7"));
}

TEST(FreshProcess, NoticesDamageAtTheEnd) {
  EXPECT_THAT(FailureInFreshProcess(
                  [] { BlockOfPointer(Allocate(100))->carved = UINT16_MAX; }),
              HasSubstr("heap-corruption"));
  EXPECT_THAT(FailureInFreshProcess([] {
                memset(reinterpret_cast<void*>(fake_os::ForeignSbrk(8)), 0, 8);
              }),
              HasSubstr("memory of others"));
}

TEST(FreshProcess, FailsTheTest) {
  EXPECT_NONFATAL_FAILURE(RunInFreshProcess([] { _exit(7); }), "exited with 7");
}

TEST(FreshProcess, LeavesNothingBehind) {
  for (int i = 0; i < 2; ++i) {
    RunInFreshProcess([] {
      EXPECT_EQ(fake_os::CountAll(), 0U);
      EXPECT_NE(Allocate(100), nullptr);
      EXPECT_NE(fake_os::CountAll(), 0U);
    });
  }
}

TEST(FreshProcess, ComparesTheLastLine) {
  RunUntilAbort([] {
    ExpectLastLine("good bye");
    os::WriteToStderr("good bye\n", 9);
    abort();
  });
  EXPECT_NONFATAL_FAILURE(RunUntilAbort([] {
                            ExpectLastLine("good bye");
                            os::WriteToStderr("good day\n", 9);
                            abort();
                          }),
                          "good day");
  EXPECT_NONFATAL_FAILURE(OutputUntilAbort([] {}), "expected abort()");
}

// ---- the break ----

CORE_TEST(FakeBreak, StandsWhereItIsPlaced) {
  fake_os::PlaceBreak(0x5001);
  const uintptr_t start = os::CurrentBreak();
  EXPECT_EQ(start % kArenaSize, 0x5001U);
  EXPECT_EQ(os::GrowBreak(100), start);
  EXPECT_EQ(os::CurrentBreak(), start + 100);
  memset(reinterpret_cast<void*>(start), 1, 100);
}

CORE_TEST(FakeBreak, IsNotOursAlone) {
  const uintptr_t start = os::CurrentBreak();
  const uintptr_t foreign = fake_os::ForeignSbrk(1000);
  EXPECT_EQ(foreign, start);
  EXPECT_EQ(os::GrowBreak(16), start + 1000);
  EXPECT_EQ(fake_os::UsableBytes(), 16U);
  char* byte = reinterpret_cast<char*>(foreign + 999);
  EXPECT_TRUE(fake_os::ForeignMemoryIsIntact());
  *byte = static_cast<char>(*byte + 1);
  EXPECT_FALSE(fake_os::ForeignMemoryIsIntact());
  *byte = static_cast<char>(*byte - 1);
}

CORE_TEST(FakeBreak, CanBeLoweredFromTheTopAlone) {
  const uintptr_t start = os::GrowBreak(100000);
  const uintptr_t top = start + 100000;
  memset(reinterpret_cast<void*>(start), 1, 100000);
  EXPECT_FALSE(os::LowerBreak(top - 1, 50000));
  EXPECT_TRUE(os::LowerBreak(top, 50000));
  EXPECT_EQ(os::CurrentBreak(), top - 50000);
  fake_os::ForeignSbrk(10);
  EXPECT_FALSE(os::LowerBreak(top - 50000, 100));
  os::GrowBreak(10000);
  EXPECT_TRUE(IsZero(reinterpret_cast<void*>(top - 44000), 1000));
}

CORE_TEST(FakeBreak, CanBeLimited) {
  fake_os::LimitBreak(1000);
  EXPECT_EQ(os::GrowBreak(1001), 0U);
  EXPECT_TRUE(fake_os::HasFailed());
  EXPECT_NE(os::GrowBreak(1000), 0U);
  fake_os::EndShortage();
  EXPECT_FALSE(fake_os::HasFailed());
  EXPECT_NE(os::GrowBreak(1001), 0U);
}

// ---- mappings ----

CORE_TEST(FakeMappings, HonourTheHintWherePossible) {
  const uintptr_t first = os::Reserve(kMiB, 0);
  ASSERT_NE(first, 0U);
  EXPECT_EQ(os::Reserve(kMiB, first - 3 * kMiB), first - 3 * kMiB);
  EXPECT_EQ(os::Reserve(kMiB, first), first - kMiB) << "taken: the highest gap";
  EXPECT_EQ(fake_os::MappedBytes(), 3 * kMiB);
}

CORE_TEST(FakeMappings, ForgetWhatTheyHeld) {
  const uintptr_t start = os::Reserve(kMiB, 0);
  ASSERT_TRUE(os::Commit(start, kMiB));
  memset(reinterpret_cast<void*>(start), 1, kMiB);
  os::Unmap(start, kMiB);
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
  ASSERT_EQ(os::Reserve(kMiB, start), start);
  ASSERT_TRUE(os::Commit(start, kMiB));
  EXPECT_TRUE(IsZero(reinterpret_cast<void*>(start), kMiB));
}

CORE_TEST(FakeMappings, NeedRoom) {
  EXPECT_FALSE(fake_os::HasFailed());
  EXPECT_EQ(os::Reserve(size_t{1} << 40, 0), 0U);
  EXPECT_TRUE(fake_os::HasFailed());
}

CORE_TEST(FakeMappings, ResizeAndMove) {
  const uintptr_t start = os::Reserve(kMiB, 0);
  ASSERT_TRUE(os::Commit(start, kMiB));
  Fill(reinterpret_cast<void*>(start), kMiB, 5);
  EXPECT_FALSE(os::RemapInPlace(start, kMiB, 3 * kMiB)) << "the end of all";
  ASSERT_TRUE(os::RemapInPlace(start, kMiB, kMiB / 2));
  ASSERT_TRUE(os::RemapInPlace(start, kMiB / 2, kMiB));
  EXPECT_TRUE(HasPattern(reinterpret_cast<void*>(start), kMiB / 2, 5, kMiB));
  EXPECT_TRUE(IsZero(reinterpret_cast<void*>(start + kMiB / 2), kMiB / 2));
  const uintptr_t target = os::Reserve(2 * kMiB, 0);
  ASSERT_TRUE(os::RemapTo(start, kMiB, 2 * kMiB, target));
  EXPECT_TRUE(HasPattern(reinterpret_cast<void*>(target), kMiB / 2, 5, kMiB));
  EXPECT_TRUE(IsZero(reinterpret_cast<void*>(target + kMiB), kMiB));
  EXPECT_EQ(fake_os::MappedBytes(), 2 * kMiB);
}

CORE_TEST(FakeMappings, StayReservedWhereTheKernelRefuses) {
  const uintptr_t start = os::Reserve(kMiB, 0);
  fake_os::Fail(Call::kCommit, 1);
  EXPECT_FALSE(os::Commit(start, 4096));
  EXPECT_TRUE(os::IsWhole(start, kMiB));
  ASSERT_TRUE(os::Commit(start, 4096));
  fake_os::Fail(Call::kRemapTo, 1);
  EXPECT_FALSE(os::RemapTo(start, 4096, 8192, start + 8192));
  EXPECT_TRUE(os::IsWhole(start, kMiB));
  EXPECT_EQ(fake_os::TakeLostPages(), 0U);
  os::Unmap(start, kMiB);
  EXPECT_FALSE(os::IsWhole(start, kMiB));
}

CORE_TEST(FakeMappings, AreLostWhereAnOldKernelRefuses) {
  fake_os::RefusalsLeaveHoles();
  const uintptr_t start = os::Reserve(kMiB, 0);
  fake_os::Fail(Call::kCommit, 1);
  EXPECT_FALSE(os::Commit(start, 4096));
  EXPECT_FALSE(os::IsWhole(start, kMiB));
  EXPECT_TRUE(os::IsWhole(start + 4096, kMiB - 4096));
  EXPECT_EQ(fake_os::MappedBytes(), kMiB - 4096);
  EXPECT_EQ(fake_os::TakeLostPages(), 4096U);
  EXPECT_EQ(fake_os::TakeLostPages(), 0U);
  ASSERT_TRUE(os::Commit(start + 4096, 4096));
  fake_os::Fail(Call::kRemapTo, 1);
  EXPECT_FALSE(os::RemapTo(start + 4096, 4096, 8192, start + 8192));
  EXPECT_EQ(fake_os::TakeLostPages(), 8192U);
  os::Unmap(start + 4096, 4096);
  os::Unmap(start + 16384, kMiB - 16384);
}

TEST(FakeMappings, KeepTheCoreToItsContract) {
  EXPECT_NONFATAL_FAILURE(
      RunInFreshProcess([] { os::Unmap(os::Reserve(kMiB, 0) - kMiB, kMiB); }),
      "unmaps what is not its own");
  EXPECT_NONFATAL_FAILURE(RunInFreshProcess([] {
                            fake_os::RefusalsLeaveHoles();
                            fake_os::Fail(Call::kCommit, 1);
                            const uintptr_t start = os::Reserve(kMiB, 0);
                            os::Commit(start + 4096, 4096);
                            os::Unmap(start, kMiB);
                          }),
                          "unmaps what is not its own");
  EXPECT_NONFATAL_FAILURE(RunInFreshProcess([] {
                            const uintptr_t start = os::Reserve(kMiB, 0);
                            os::Commit(start, 2 * kMiB);
                          }),
                          "commits what is not reserved");
  EXPECT_NONFATAL_FAILURE(RunInFreshProcess([] {
                            fake_os::SetPageSize(64 * 1024);
                            os::Reserve(4096, 0);
                          }),
                          "odd reservation");
}

// ---- shortage ----

CORE_TEST(FakeShortage, FailsTheCallsThatWereNamed) {
  fake_os::Fail(Call::kReserve, 2, 2);
  EXPECT_NE(os::Reserve(kMiB, 0), 0U);
  EXPECT_EQ(os::Reserve(kMiB, 0), 0U);
  EXPECT_NE(os::CurrentBreak(), 0U);
  EXPECT_EQ(os::Reserve(kMiB, 0), 0U);
  EXPECT_NE(os::Reserve(kMiB, 0), 0U);
  EXPECT_EQ(fake_os::Count(Call::kReserve), 4U);
  EXPECT_EQ(fake_os::CountAll(), 5U);
  fake_os::FailAny(1);
  EXPECT_EQ(os::CurrentBreak(), 0U);
  EXPECT_NE(os::CurrentBreak(), 0U);
  EXPECT_EQ(fake_os::CountRefused(), 3U);
}

CORE_TEST(FakeShortage, LimitsMemoryOfAllKinds) {
  fake_os::LimitMemory(2 * kMiB);
  ASSERT_NE(os::GrowBreak(kMiB), 0U);
  const uintptr_t start = os::Reserve(8 * kMiB, 0);
  ASSERT_NE(start, 0U) << "reservations are free";
  EXPECT_FALSE(os::Commit(start, 2 * kMiB));
  EXPECT_TRUE(os::Commit(start, kMiB));
  EXPECT_EQ(os::GrowBreak(1), 0U);
  os::Unmap(start, 4096);
  EXPECT_NE(os::GrowBreak(4096), 0U);
}

CORE_TEST(FakeShortage, LetsOthersActInBetween) {
  uintptr_t seen = 0;
  fake_os::Before(Call::kGrowBreak, [&] { seen = fake_os::ForeignSbrk(10); });
  const uintptr_t start = os::CurrentBreak();
  EXPECT_EQ(os::GrowBreak(16), start + 10);
  EXPECT_EQ(seen, start);
  fake_os::After(Call::kGrowBreak, [&] { seen = fake_os::BreakNow(); });
  EXPECT_EQ(os::GrowBreak(16), start + 26) << "once only";
  EXPECT_EQ(seen, start + 42);
}

// ---- from the beginning ----

CORE_TEST(FakeKernel, BeginsAnew) {
  const uintptr_t top = fake_os::BreakNow();
  fake_os::SetPageSize(65536);
  ASSERT_EQ(os::GrowBreak(kMiB), top);
  const uintptr_t mapping = os::Reserve(kMiB, 0);
  ASSERT_TRUE(os::Commit(mapping, kMiB));
  Fill(reinterpret_cast<void*>(mapping), kMiB, 1);
  Fill(reinterpret_cast<void*>(top), kMiB, 2);
  fake_os::FailAny(1, fake_os::kForEver);
  fake_os::BeginAnew();
  EXPECT_EQ(fake_os::CountAll(), 0U);
  EXPECT_EQ(fake_os::BreakNow(), top);
  EXPECT_EQ(fake_os::UsableBytes(), 0U);
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
  EXPECT_EQ(os::PageSize(), 4096U);
  ASSERT_EQ(os::GrowBreak(kMiB), top);
  EXPECT_TRUE(IsZero(reinterpret_cast<void*>(top), kMiB));
  ASSERT_TRUE(os::Commit(os::Reserve(kMiB, mapping), kMiB));
  EXPECT_TRUE(IsZero(reinterpret_cast<void*>(mapping), kMiB));
}

}  // namespace
}  // namespace memalloc
