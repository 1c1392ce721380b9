// Memory that lies idle goes back with time: free granules, mappings and spare
// pages that are kept, what ended threads left, the top of the break. The fake
// clock stands still between the steps.

#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::Call;

constexpr size_t kMiB = 1024 * 1024;
constexpr uint64_t kDelay = 1000;
constexpr uint64_t kNever = uint64_t{1} << 31;

size_t Purges() { return fake_os::Count(Call::kPurge); }
size_t Purgeable() { return g_central_heap.Counts().purgeable_bytes; }

// Half a delay passes, and a thread looks at the clock. What it leaves to
// others is done too. Tests begin with StartClock, as the very first look of
// the process makes a tick too.
void Tick() {
  fake_os::PassTime(kDelay / 2);
  PassSlowPath();
  while (g_central_heap.purge_goes_on()) PassSlowPath();
  CheckHeap();
}

// The least that was purgeable when the kernel was asked for the first time
// since the call: the rest was out.
size_t g_least_left;
void WatchFirstPurge() {
  g_least_left = SIZE_MAX;
  fake_os::Before(Call::kPurge, [] {
    CheckHeap();
    g_least_left = Purgeable();
  });
}

// `count` free blocks of two granules, each between two in use, which are
// returned.
std::vector<void*> MakeHoles(size_t count) {
  std::vector<void*> kept;
  std::vector<void*> holes;
  for (void* block : AllocateMany(2 * kGranuleSize, 2 * count + 1)) {
    Fill(block, 2 * kGranuleSize, 1);
    (kept.size() > holes.size() ? holes : kept).push_back(block);
  }
  FreeAll(holes);
  return kept;
}

// A free block below one in use, so that the break has no say.
void* FreeBlockOf(size_t bytes) {
  void* block = Allocate(bytes);
  Allocate(bytes / 2);
  Fill(block, bytes, 1);
  Free(block);
  CheckHeap();
  return block;
}

// ---- free granules ----

CORE_TEST(Purge, IdleGranulesGoAfterTheDelay) {
  StartClock();
  void* block = FreeBlockOf(4 * kMiB);
  EXPECT_EQ(Purgeable(), 4 * kMiB);
  Tick();
  fake_os::PassTime(kDelay / 2 - 1);
  PassSlowPath();
  EXPECT_EQ(Purges(), 0U) << "not before";
  fake_os::PassTime(1);
  PassSlowPath();
  CheckHeap();
  EXPECT_EQ(Purges(), 1U);
  EXPECT_EQ(fake_os::PurgedBytes(), 4 * kMiB);
  const CentralCounts counts = g_central_heap.Counts();
  EXPECT_EQ(counts.purgeable_bytes, 0U);
  EXPECT_EQ(counts.purged_bytes, 4 * kMiB);
  EXPECT_EQ(counts.purge_calls, 1U);
  for (int i = 0; i < 10; ++i) Tick();
  EXPECT_EQ(Purges(), 1U) << "once";
  ASSERT_EQ(Allocate(4 * kMiB), block);
  EXPECT_TRUE(IsZero(block, 4 * kMiB)) << "what was purged is zero";
}

CORE_TEST(Purge, CallocGetsZerosFromWhatWasPurgedAndWhatWasNot) {
  StartClock();
  void* block = FreeBlockOf(4 * kMiB);
  Tick();
  // Half of it is used again.
  ASSERT_EQ(Allocate(2 * kMiB), block);
  Fill(block, 2 * kMiB, 2);
  Free(block);
  Tick();
  EXPECT_EQ(fake_os::PurgedBytes(), 2 * kMiB);
  ASSERT_EQ(AllocateZeroed(4 * kMiB), block);
  EXPECT_TRUE(IsZero(block, 4 * kMiB));
}

CORE_TEST(Purge, TouchedGranulesStayAndTheRestOfTheirRunGoes) {
  StartClock();
  void* block = FreeBlockOf(4 * kMiB);
  for (int i = 0; i < 6; ++i) {
    Tick();
    ASSERT_EQ(Allocate(2 * kMiB), block);
    Free(block);
  }
  EXPECT_EQ(fake_os::PurgedBytes(), 2 * kMiB);
  EXPECT_EQ(Purgeable(), 2 * kMiB);
  Tick();
  Tick();
  EXPECT_EQ(fake_os::PurgedBytes(), 4 * kMiB);
}

CORE_TEST(Purge, SmallBlocksCountForWhatWasCarved) {
  const std::vector<void*> cells = AllocateMany(1024, 64 * 20);
  FreeAll(cells);
  const size_t purgeable = Purgeable();
  EXPECT_GE(purgeable, 17 * kGranuleSize);
  EXPECT_LE(purgeable, 20 * kGranuleSize);
  Tick();
  Tick();
  EXPECT_GE(fake_os::PurgedBytes(), purgeable);
  // A block of many granules of which one cell was made.
  const size_t before = Purgeable();
  g_central_heap.FreeLarge(BlockOfPointer(Allocate(kMiB)));
  Free(Allocate(60000));
  t_heap->ReleaseEmptyBlocks();
  EXPECT_LE(Purgeable(), before + 2 * kMiB);
}

// Such a thread never asks the central heap for anything.
CORE_TEST(Purge, ALoopOfSmallBlocksLooksAtTheClock) {
  Free(Allocate(100));
  for (const size_t size : {16, 100, 5000, 60000}) {
    FreeAll(AllocateMany(size, 1));
    const uint32_t ticks = g_central_heap.ticks();
    fake_os::PassTime(kDelay);
    for (int i = 0; i < 300000; ++i) Free(Allocate(size));
    EXPECT_EQ(g_central_heap.ticks(), ticks + 1) << size;
  }
}

// A loop's blocks are touched between any two ticks, whatever their size.
CORE_TEST(Purge, NoSystemCallInASteadyLoop) {
  size_t calls = 0;
  size_t mapped = 0;
  for (int i = 0; i < 60; ++i) {
    for (const size_t size :
         {size_t{100}, size_t{60000}, 3 * kMiB, 7 * kMiB, 20 * kMiB}) {
      void* first = Allocate(size);
      void* second = Allocate(size);
      Fill(first, size, 1);
      Free(second);
      PassSlowPath();
      Free(first);
      PassSlowPath();
    }
    if (i == 10) {
      calls = fake_os::CountAll();
      mapped = fake_os::MappedBytes();
    }
    fake_os::PassTime(kDelay / 2);
  }
  EXPECT_EQ(fake_os::CountAll(), calls);
  EXPECT_EQ(fake_os::MappedBytes(), mapped);
  EXPECT_EQ(Purges(), 0U);
  EXPECT_GE(g_central_heap.ticks(), 60U);
}

CORE_TEST(Purge, ManyHolesGoInBatches) {
  StartClock();
  const std::vector<void*> kept = MakeHoles(1000);
  Tick();
  EXPECT_EQ(Purgeable(), 2000 * kGranuleSize);
  WatchFirstPurge();
  Tick();
  EXPECT_LT(g_least_left, 2000 * kGranuleSize);
  EXPECT_GE(g_least_left, (2000 - 2 * 64) * kGranuleSize)
      << "so many at a time";
  EXPECT_EQ(fake_os::PurgedBytes(), 2000 * kGranuleSize);
  EXPECT_EQ(Purges(), 1000U);
  for (void* block : kept) ASSERT_TRUE(HasPattern(block, 2 * kGranuleSize, 1));
}

// A tick is not all at one thread's expense.
CORE_TEST(Purge, MuchIsLeftToOthers) {
  StartClock();
  const std::vector<void*> blocks = AllocateMany(7 * kMiB, 40);
  for (void* block : blocks) Fill(block, 7 * kMiB, 1);
  Allocate(kMiB);
  FreeAll(blocks);
  Tick();
  fake_os::PassTime(kDelay / 2);
  PassSlowPath();
  EXPECT_EQ(fake_os::PurgedBytes(), 64 * kMiB);
  PassSlowPath();
  EXPECT_EQ(fake_os::PurgedBytes(), 80 * kMiB);
  while (g_central_heap.purge_goes_on()) PassSlowPath();
  EXPECT_EQ(fake_os::PurgedBytes(), 280 * kMiB);
  CheckHeap();
}

CORE_TEST(Purge, MoreThanABatchInOneRunAndInManyArenas) {
  StartClock();
  const std::vector<void*> blocks = AllocateMany(7 * kMiB, 20);
  for (void* block : blocks) Fill(block, 7 * kMiB, 1);
  Allocate(kMiB);
  FreeAll(blocks);
  Tick();
  EXPECT_EQ(Purges(), 0U);
  WatchFirstPurge();
  Tick();
  EXPECT_GE(g_least_left, (140 - 16) * kMiB) << "so much at a time";
  EXPECT_EQ(Purgeable(), 0U);
  EXPECT_EQ(fake_os::PurgedBytes(), 140 * kMiB);
  EXPECT_LE(Purges(), 30U) << "neighbours with one call";
}

// What lies between two idle parts of a run and is clean does not part them.
CORE_TEST(Purge, CleanGranulesDoNotSplitACall) {
  const std::vector<void*> blocks = AllocateMany(kMiB, 5);
  for (void* block : blocks) Fill(block, kMiB, 1);
  Allocate(kMiB);
  Free(blocks[2]);
  Tick();
  Tick();
  ASSERT_EQ(Purges(), 1U);
  FreeAll({blocks[1], blocks[3]});
  Tick();
  Tick();
  EXPECT_EQ(Purges(), 2U);
  EXPECT_EQ(Purgeable(), 0U);
}

CORE_TEST(Purge, TheKernelRefuses) {
  StartClock();
  void* block = FreeBlockOf(4 * kMiB);
  Tick();
  fake_os::Fail(Call::kPurge, 1);
  Tick();
  EXPECT_EQ(Purges(), 1U);
  EXPECT_EQ(Purgeable(), 4 * kMiB);
  EXPECT_EQ(g_central_heap.Counts().purged_bytes, 0U);
  ASSERT_EQ(AllocateZeroed(4 * kMiB), block);
  EXPECT_TRUE(IsZero(block, 4 * kMiB)) << "is still known to be dirty";
  Free(block);
  fake_os::Fail(Call::kPurge, 1, fake_os::kForEver);
  for (int i = 0; i < 10; ++i) Tick();
  EXPECT_LE(Purges(), 12U) << "once a tick at most";
  EXPECT_FALSE(g_central_heap.Trim(kGranuleSize << 10));
  fake_os::EndShortage();
  Tick();
  Tick();
  EXPECT_EQ(Purgeable(), 0U);
}

// ---- options ----

CORE_TEST(PurgeDelay, AChangeCountsAtOnce) {
  SetOption(Option::kPurgeDelay, 100000);
  FreeBlockOf(4 * kMiB);
  for (int i = 0; i < 50; ++i) Tick();
  EXPECT_EQ(Purges(), 0U);
  SetOption(Option::kPurgeDelay, 10);
  PassSlowPath();
  fake_os::PassTime(5);
  PassSlowPath();
  EXPECT_EQ(Purges(), 1U);
}

CORE_TEST(PurgeDelay, TheLongestIsNever) {
  SetOption(Option::kPurgeDelay, kNever);
  FreeBlockOf(4 * kMiB);
  Free(Allocate(20 * kMiB));
  const size_t mapped = fake_os::MappedBytes();
  for (int i = 0; i < 5; ++i) {
    fake_os::PassTime(kNever * 2);
    PassSlowPath();
  }
  EXPECT_EQ(Purges(), 0U);
  EXPECT_EQ(fake_os::MappedBytes(), mapped);
  EXPECT_TRUE(g_central_heap.Trim(0)) << "who asks gets it";
  EXPECT_EQ(Purgeable(), 0U);
}

CORE_TEST(PurgeDelay, OfNothingPurgesWhatIsFreed) {
  SetOption(Option::kPurgeDelay, 0);
  FreeBlockOf(4 * kMiB);
  EXPECT_EQ(fake_os::PurgedBytes(), 4 * kMiB);
  EXPECT_EQ(Purgeable(), 0U);
  void* block = Allocate(4 * kMiB);
  Fill(block, 4 * kMiB, 1);
  ASSERT_EQ(Reallocate(block, kMiB), block);
  EXPECT_EQ(fake_os::PurgedBytes(), 7 * kMiB);
  EXPECT_TRUE(HasPattern(block, kMiB, 1, 4 * kMiB));
  const size_t before = fake_os::PurgedBytes();
  FreeAll(AllocateMany(1024, 64 * 20));
  EXPECT_GE(fake_os::PurgedBytes(), before + 17 * kGranuleSize);
  EXPECT_EQ(Purgeable(), 0U);
  CheckHeap();
  Free(Allocate(20 * kMiB));
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
  void* again = AllocateZeroed(3 * kMiB);
  EXPECT_TRUE(IsZero(again, 3 * kMiB));
}

CORE_TEST(PurgeDelay, OfNothingWhereTheKernelRefuses) {
  SetOption(Option::kPurgeDelay, 0);
  fake_os::Fail(Call::kPurge, 1, fake_os::kForEver);
  FreeBlockOf(4 * kMiB);
  EXPECT_EQ(Purgeable(), 4 * kMiB);
  FreeAll(AllocateMany(1024, 64 * 20));
  EXPECT_GT(Purgeable(), 3 * kMiB);
  for (int i = 0; i < 3; ++i) Tick();
  EXPECT_TRUE(IsZero(AllocateZeroed(4 * kMiB), 4 * kMiB));
  fake_os::EndShortage();
  Tick();
  EXPECT_EQ(Purgeable(), 0U);
}

// ---- what is kept for the next ----

CORE_TEST(Purge, CachedMappingsGo) {
  StartClock();
  Free(Allocate(20 * kMiB));
  Tick();
  EXPECT_GT(fake_os::MappedBytes(), 20 * kMiB);
  Tick();
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
}

CORE_TEST(Purge, SparePagesOfHugeBlocksGo) {
  StartClock();
  Free(Allocate(40 * kMiB));
  void* block = Allocate(20 * kMiB);
  Fill(block, 20 * kMiB, 1);
  ASSERT_GT(fake_os::MappedBytes(), 40 * kMiB) << "with pages to spare";
  Tick();
  EXPECT_GT(fake_os::MappedBytes(), 40 * kMiB);
  Tick();
  EXPECT_LT(fake_os::MappedBytes(), 21 * kMiB);
  EXPECT_TRUE(HasPattern(block, 20 * kMiB, 1));
}

CORE_TEST(Purge, ParkedHeapsAreEmptied) {
  StartClock();
  Worker worker;
  worker.Do([] { FreeAll(AllocateMany(1024, 10)); });
  const uint64_t blocks = BlocksInUse();
  worker.End();
  Tick();
  EXPECT_EQ(BlocksInUse(), blocks);
  Tick();
  EXPECT_EQ(BlocksInUse(), blocks - 1);
}

// A parked heap that has found a thread meanwhile is not idle.
CORE_TEST(Purge, ParkedHeapsBeginAnew) {
  StartClock();
  Worker worker;
  worker.Do([] { FreeAll(AllocateMany(1024, 10)); });
  worker.End();
  Tick();
  Worker next;
  next.Do([] { FreeAll(AllocateMany(1024, 10)); });
  next.End();
  const uint64_t blocks = BlocksInUse();
  Tick();
  EXPECT_EQ(BlocksInUse(), blocks);
  Tick();
  EXPECT_EQ(BlocksInUse(), blocks - 1);
}

// A thread's own empty blocks, if it did not use their class meanwhile.
CORE_TEST(Purge, OwnEmptyBlocksGo) {
  for (size_t size = 16; size <= kMaxSmallSize; size *= 2) {
    FreeAll(AllocateMany(size, 3 * CellsPerBlock(size)));
  }
  EXPECT_GT(BlocksInUse(), 8U);
  Tick();
  Tick();
  EXPECT_LE(BlocksInUse(), 1U) << "the thread heap itself";
  Tick();
  Tick();
  EXPECT_EQ(Purgeable(), 0U);
}

CORE_TEST(Purge, OwnBlocksInUseStay) {
  const std::vector<void*> full = AllocateMany(1024, 64);
  const std::vector<void*> cells = AllocateMany(1024, 70);
  for (void* cell : cells) Fill(cell, 1024, 1);
  for (int i = 0; i < 5; ++i) Tick();
  for (void* cell : cells) ASSERT_TRUE(HasPattern(cell, 1024, 1));
  FreeAll(cells);
  FreeAll(full);
  FreeAll(AllocateMany(1024, 1000));
}

// What others sent to a thread, and what it has for them, is moved on.
CORE_TEST(Purge, BatchesThatWaitAreSent) {
  std::vector<void*> cells;
  Worker worker;
  worker.Do([&] { cells = AllocateMany(1024, 5); });
  FreeAll(cells);
  Allocate(16);
  const auto used = [&] { return BlockOfPointer(cells[0])->UsedCells(); };
  EXPECT_GE(used(), 5U);
  Tick();
  worker.Do([] { Tick(); });
  worker.Do([] { Tick(); });
  EXPECT_EQ(BlockOfPointer(cells[0])->status, BlockStatus::kFree);
}

// ---- the top of the break ----

CORE_TEST(Purge, TheBreakIsLowered) {
  StartClock();
  void* kept = Allocate(kMiB);
  Fill(kept, kMiB, 1);
  FreeAll(AllocateMany(2 * kMiB, 50));
  const uintptr_t top = fake_os::BreakNow();
  Tick();
  EXPECT_EQ(fake_os::BreakNow(), top);
  Tick();
  const uintptr_t end = reinterpret_cast<uintptr_t>(kept) + kMiB;
  const uint64_t pad = GetOption(Option::kTopPad);
  EXPECT_GE(fake_os::BreakNow(), end + pad);
  EXPECT_LE(fake_os::BreakNow(), end + pad + kMiB) << "thread heaps below";
  for (int i = 0; i < 3; ++i) Tick();
  EXPECT_GE(fake_os::BreakNow(), end + pad) << "and no more";
  EXPECT_TRUE(HasPattern(kept, kMiB, 1));
  FreeAll(AllocateMany(2 * kMiB, 50));
  CheckHeap();
}

CORE_TEST(Purge, TheBreakStaysForLessThanTheThreshold) {
  SetOption(Option::kTrimThreshold, 200 * kMiB);
  FreeAll(AllocateMany(2 * kMiB, 50));
  const uintptr_t top = fake_os::BreakNow();
  for (int i = 0; i < 5; ++i) Tick();
  EXPECT_EQ(Purgeable(), 0U);
  EXPECT_EQ(fake_os::BreakNow(), top);
  SetOption(Option::kTrimThreshold, 50 * kMiB);
  SetOption(Option::kTopPad, 20 * kMiB);
  Tick();
  EXPECT_LE(fake_os::BreakNow(), top - 60 * kMiB);
  EXPECT_GE(g_central_heap.Counts().backed_bytes, 20 * kMiB);
}

CORE_TEST(Purge, TheBreakOfOthersStays) {
  const std::vector<void*> blocks = AllocateMany(2 * kMiB, 50);
  fake_os::ForeignSbrk(100);
  const uintptr_t top = fake_os::BreakNow();
  FreeAll(blocks);
  for (int i = 0; i < 5; ++i) Tick();
  EXPECT_EQ(fake_os::BreakNow(), top);
  EXPECT_EQ(Purgeable(), 0U);
}

// A heap that still grows keeps its room to grow into.
CORE_TEST(Purge, TheBreakStaysWhileTheHeapGrows) {
  AllocateMany(2 * kMiB, 50);
  const size_t before = fake_os::Count(Call::kLowerBreak);
  for (int i = 0; i < 20; ++i) {
    AllocateMany(2 * kMiB, 12);
    Tick();
  }
  EXPECT_EQ(fake_os::Count(Call::kLowerBreak), before);
}

CORE_TEST(Purge, MappedArenasGo) {
  fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
  void* kept = Allocate(kMiB);
  FreeAll(AllocateMany(2 * kMiB, 50));
  ASSERT_GE(fake_os::MappedBytes(), 100 * kMiB);
  for (int i = 0; i < 4; ++i) Tick();
  EXPECT_LE(fake_os::MappedBytes(), 2 * kArenaSize);
  Free(kept);
}

}  // namespace
}  // namespace memalloc
