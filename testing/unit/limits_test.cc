// The soft and the hard limit: what counts, what is given back before a request
// fails, and that all works again after frees. And the other options that say
// which memory is taken and kept.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/os/os.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::Call;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

// Cells, large blocks, huge blocks.
constexpr size_t kSizes[] = {48, 3000, 50000, 100 * kKiB, 3 * kMiB, 12 * kMiB};

std::vector<void*> AllocateUntilNull(size_t size) {
  std::vector<void*> blocks;
  while (void* block = Allocate(size)) {
    blocks.push_back(block);
    if (blocks.size() > 10 * kMiB) abort();
  }
  return blocks;
}

size_t BlockBytes() { return g_central_heap.Counts().block_bytes; }

// ---- the hard limit ----

TEST(HardLimit, HoldsForEverySize) {
  for (const size_t size : kSizes) {
    SCOPED_TRACE(size);
    RunInFreshProcess([size] {
      SetOption(Option::kHardLimit, 100 * kMiB);
      const std::vector<void*> first = AllocateUntilNull(size);
      CheckHeap();
      EXPECT_LE(BlockBytes(), 100 * kMiB);
      EXPECT_GE(BlockBytes(), 87 * kMiB);
      EXPECT_EQ(AllocateZeroed(size), nullptr);
      EXPECT_EQ(AllocateAligned(12 * kMiB, 4096), nullptr);
      EXPECT_EQ(AllocateAligned(12 * kMiB, 2 * kMiB), nullptr);
      EXPECT_EQ(Reallocate(first[0], 12 * kMiB + size), nullptr);
      CheckHeap();
      FreeAll(first);
      const std::vector<void*> second = AllocateUntilNull(size);
      EXPECT_GE(second.size(), first.size() - first.size() / 16);
      EXPECT_LE(BlockBytes(), 100 * kMiB);
      SetOption(Option::kHardLimit, 200 * kMiB);
      EXPECT_NE(Allocate(size), nullptr) << "raised";
      SetOption(Option::kHardLimit, 0);
      EXPECT_NE(Allocate(300 * kMiB), nullptr) << "lifted";
      CheckHeap();
    });
  }
}

// What was freed of one size serves every other one.
TEST(HardLimit, FreedMemoryServesOtherSizes) {
  for (const size_t from : kSizes) {
    for (const size_t to : kSizes) {
      SCOPED_TRACE(testing::Message() << from << " to " << to);
      RunInFreshProcess([from, to] {
        SetOption(Option::kHardLimit, 100 * kMiB);
        FreeAll(AllocateUntilNull(from));
        const size_t count = AllocateUntilNull(to).size();
        EXPECT_GE(count * to, 72 * kMiB);
        EXPECT_LE(BlockBytes(), 100 * kMiB);
        CheckHeap();
      });
    }
  }
}

CORE_TEST(HardLimit, FreeMemoryThatNobodyTouchedDoesNotCount) {
  SetOption(Option::kTopPad, 16 * kMiB);
  SetOption(Option::kHardLimit, 4 * kMiB);
  const std::vector<void*> blocks = AllocateMany(kMiB, 3);
  EXPECT_GE(g_central_heap.Counts().backed_bytes, 12 * kMiB);
  EXPECT_EQ(Allocate(kMiB), nullptr) << "it counts once it is taken";
  CheckHeap();
  FreeAll(blocks);
  AllocateMany(kMiB, 3);
  EXPECT_EQ(Allocate(kMiB), nullptr);
}

CORE_TEST(HardLimit, FreeMemoryOfBeforeDoesNotCountEither) {
  SetOption(Option::kTopPad, 16 * kMiB);
  Allocate(kMiB);
  fake_os::ForeignSbrk(4096);  // nothing can be given back
  SetOption(Option::kHardLimit, 4 * kMiB);
  AllocateMany(kMiB, 2);
  EXPECT_EQ(Allocate(kMiB), nullptr);
}

CORE_TEST(HardLimit, ALowerOneCountsAtOnce) {
  SetOption(Option::kHardLimit, 100 * kMiB);
  Allocate(kMiB);
  SetOption(Option::kHardLimit, 10 * kMiB);
  EXPECT_EQ(Reallocate(Allocate(5 * kMiB), 12 * kMiB), nullptr);
  EXPECT_EQ(Allocate(5 * kMiB), nullptr);
}

// Where the limit leaves room for a request but not for an arena's table too.
TEST(HardLimit, IsReachedFromAnywhere) {
  for (size_t granules = 240; granules < 275; ++granules) {
    SCOPED_TRACE(granules);
    RunInFreshProcess([granules] {
      fake_os::PlaceBreak(0);
      SetOption(Option::kHardLimit, granules * kGranuleSize);
      size_t count = 0;
      while (Allocate(1000) != nullptr) ++count;
      EXPECT_GE(count, (granules - 20) * 60);
      EXPECT_LE(count, granules * 66);
      CheckHeap();
    });
  }
}

CORE_TEST(HardLimit, FreeMemoryThatIsDirtyIsPurgedForOthers) {
  SetOption(Option::kHardLimit, 32 * kMiB);
  std::vector<void*> blocks = AllocateMany(kMiB, 28);
  void* last = blocks.back();
  blocks.pop_back();
  FreeAll(blocks);  // below one in use: not to be given back
  EXPECT_EQ(fake_os::PurgedBytes(), 0U);
  void* huge = Allocate(12 * kMiB);
  EXPECT_NE(huge, nullptr);
  EXPECT_GE(fake_os::PurgedBytes(), 27 * kMiB);
  EXPECT_EQ(Allocate(20 * kMiB), nullptr);
  Free(huge);
  AllocateMany(kMiB, 27);
  Free(last);
  CheckHeap();
}

CORE_TEST(HardLimit, CachedMappingsAreGivenUpForOtherBlocks) {
  SetOption(Option::kHardLimit, 64 * kMiB);
  Free(Allocate(50 * kMiB));
  ASSERT_GE(fake_os::UsableBytes(), 50 * kMiB) << "kept";
  AllocateMany(kMiB, 60);
  EXPECT_LE(g_central_heap.Counts().backed_bytes, 80 * kMiB);
}

CORE_TEST(HardLimit, EmptyBlocksOfTheThreadAreGivenUpForOtherBlocks) {
  SetOption(Option::kHardLimit, 3 * kMiB);
  std::vector<void*> cells;
  for (size_t size = 16; size <= kMaxSmallSize; size += size / 4 + 16) {
    cells.push_back(Allocate(size));
    if (cells.back() == nullptr) break;
  }
  ASSERT_EQ(cells.back(), nullptr);
  FreeAll(cells);
  AllocateMany(kMiB, 2);
  CheckHeap();
}

CORE_TEST(HardLimit, CachedMappingsServeAtTheLimit) {
  SetOption(Option::kHardLimit, 100 * kMiB);
  void* block = Allocate(80 * kMiB);
  Allocate(18 * kMiB);
  SetOption(Option::kHugeCache, 100 * kMiB);
  Free(block);
  const size_t calls = fake_os::CountAll();
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(Allocate(80 * kMiB), block);
    Free(block);
  }
  EXPECT_EQ(fake_os::CountAll(), calls);
  EXPECT_EQ(Allocate(85 * kMiB), nullptr) << "it may not grow";
  EXPECT_NE(Allocate(80 * kMiB), nullptr);
  CheckHeap();
}

CORE_TEST(HardLimit, AHopelessRequestCostsTheHeapNothing) {
  SetOption(Option::kHardLimit, 50 * kMiB);
  Free(Allocate(20 * kMiB));
  EXPECT_EQ(Allocate(60 * kMiB), nullptr);
  EXPECT_EQ(AllocateAligned(60 * kMiB, kArenaSize), nullptr);
  const size_t calls = fake_os::CountAll();
  EXPECT_NE(Allocate(20 * kMiB), nullptr);
  EXPECT_EQ(fake_os::CountAll(), calls) << "from the cache";
}

CORE_TEST(HardLimit, ReallocKeepsTheBlockItCannotGrow) {
  SetOption(Option::kHardLimit, 40 * kMiB);
  void* large = Allocate(4 * kMiB);
  void* huge = Allocate(20 * kMiB);
  Fill(large, 4 * kMiB, 1);
  Fill(huge, 20 * kMiB, 2);
  EXPECT_EQ(Reallocate(huge, 37 * kMiB), nullptr);
  ASSERT_TRUE(HasPattern(huge, 20 * kMiB, 2));
  void* grown = Reallocate(huge, 34 * kMiB);
  ASSERT_NE(grown, nullptr) << "there is room for this";
  ASSERT_TRUE(HasPattern(grown, 20 * kMiB, 2));
  EXPECT_EQ(Reallocate(large, 7 * kMiB), nullptr);
  ASSERT_TRUE(HasPattern(large, 4 * kMiB, 1));
  EXPECT_EQ(UsableSize(large), 4 * kMiB);
  EXPECT_NE(Reallocate(large, kMiB), nullptr);
  CheckHeap();
  Free(grown);
  EXPECT_NE(Allocate(30 * kMiB), nullptr);
  CheckHeap();
}

CORE_TEST(HardLimit, HoldsForGrowthInPlace) {
  SetOption(Option::kTopPad, 16 * kMiB);
  SetOption(Option::kHardLimit, 4 * kMiB);
  void* block = Allocate(kMiB);
  EXPECT_EQ(Reallocate(block, 5 * kMiB), nullptr) << "there is clean memory";
  EXPECT_EQ(Reallocate(block, 3 * kMiB), block);
  EXPECT_EQ(Allocate(kMiB), nullptr);
  CheckHeap();
}

CORE_TEST(HardLimit, TheBreakDoesNotRiseForNothing) {
  SetOption(Option::kTopPad, 0);
  SetOption(Option::kHardLimit, 4 * kMiB);
  void* block = Allocate(kMiB);
  const size_t calls = fake_os::Count(Call::kGrowBreak);
  EXPECT_EQ(Reallocate(block, 5 * kMiB), nullptr);
  EXPECT_EQ(Allocate(5 * kMiB), nullptr);
  EXPECT_EQ(fake_os::Count(Call::kGrowBreak), calls);
  EXPECT_EQ(Reallocate(block, 3 * kMiB), block);
}

CORE_TEST(HardLimit, MayBeBelowWhatIsInUse) {
  const std::vector<void*> cells = AllocateMany(64, 100000);
  const std::vector<void*> blocks = AllocateMany(kMiB, 20);
  void* huge = Allocate(20 * kMiB);
  SetOption(Option::kHardLimit, kMiB);
  for (const size_t size : kSizes) AllocateUntilNull(size);
  EXPECT_EQ(Allocate(20 * kMiB), nullptr);
  EXPECT_NE(Reallocate(huge, 9 * kMiB), nullptr) << "shrinking is no growth";
  FreeAll(blocks);
  CheckHeap();
  EXPECT_NE(Allocate(kMiB), nullptr) << "what is free and dirty costs nothing";
  FreeAll(cells);
  CheckHeap();
}

// A block that is being made counts, although it is in no list yet.
CORE_TEST(HardLimit, HoldsForRequestsAtTheSameTime) {
  SetOption(Option::kHardLimit, 100 * kMiB);
  void* other = nullptr;
  fake_os::Before(Call::kReserve, [&] { other = Allocate(60 * kMiB); });
  void* block = Allocate(60 * kMiB);
  EXPECT_TRUE((block == nullptr) != (other == nullptr));
  Free(block);
  Free(other);

  block = Allocate(20 * kMiB);
  fake_os::Before(Call::kRemapInPlace, [&] { other = Allocate(60 * kMiB); });
  void* grown = Reallocate(block, 60 * kMiB);
  EXPECT_NE(grown, nullptr);
  EXPECT_EQ(other, nullptr);
  EXPECT_LE(BlockBytes(), 100 * kMiB);
  CheckHeap();
  // Nothing stays pending.
  Free(grown);
  EXPECT_NE(Allocate(98 * kMiB), nullptr);
}

CORE_TEST(HardLimit, NothingStaysPendingAfterAFailure) {
  SetOption(Option::kHardLimit, 100 * kMiB);
  void* block = Allocate(20 * kMiB);
  fake_os::LimitMemory(fake_os::UsableBytes());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Allocate(60 * kMiB), nullptr);
    EXPECT_EQ(Reallocate(block, 60 * kMiB), nullptr);
  }
  fake_os::EndShortage();
  EXPECT_NE(Allocate(75 * kMiB), nullptr);
  CheckHeap();
}

// A block that another thread was making is written off in a forked child.
CORE_TEST(HardLimit, NothingStaysPendingInAForkedChild) {
  SetOption(Option::kHardLimit, 100 * kMiB);
  Allocate(64);
  int status = -1;
  fake_os::Before(Call::kReserve, [&] {
    std::thread([&] {
      const pid_t child = fork();
      if (child == 0) _exit(Allocate(90 * kMiB) != nullptr ? 0 : 1);
      waitpid(child, &status, 0);
    }).join();
  });
  EXPECT_NE(Allocate(60 * kMiB), nullptr);
  EXPECT_EQ(status, 0);
}

// ---- the soft limit ----

CORE_TEST(SoftLimit, WhatIsKeptIsGivenBackWhenGrowthPassesIt) {
  Free(Allocate(50 * kMiB));
  SetOption(Option::kSoftLimit, 64 * kMiB);
  AllocateMany(kMiB, 8);
  EXPECT_GE(fake_os::UsableBytes(), 58 * kMiB) << "below it, no need";
  AllocateMany(kMiB, 20);
  EXPECT_LE(g_central_heap.Counts().backed_bytes, 50 * kMiB);
  CheckHeap();
}

CORE_TEST(SoftLimit, HugeBlocksPassItToo) {
  AllocateMany(3 * kMiB, 3);
  Free(Allocate(50 * kMiB));
  SetOption(Option::kSoftLimit, 64 * kMiB);
  EXPECT_NE(AllocateAligned(20 * kMiB, kArenaSize), nullptr);
  EXPECT_LE(g_central_heap.Counts().backed_bytes, 55 * kMiB);
}

TEST(SoftLimit, FailsNoRequest) {
  for (const size_t limit : {size_t{1}, kMiB, 20 * kMiB}) {
    for (const size_t size : kSizes) {
      SCOPED_TRACE(testing::Message() << size << " above " << limit);
      RunInFreshProcess([limit, size] {
        SetOption(Option::kSoftLimit, limit);
        AllocateMany(size, 60 * kMiB / size);
        CheckHeap();
      });
    }
  }
}

// How often the cache is emptied while the heap grows above its soft limit, in
// `steps` steps of 6 granules.
int CountGiveBacks(int steps) {
  int count = 0;
  for (int i = 0; i < steps; ++i) {
    // Beyond the granule in alignment, so that no cached mapping serves.
    EXPECT_NE(AllocateAligned(256 * kKiB, 128 * kKiB), nullptr);
    const size_t calls = fake_os::CountAll();
    Free(Allocate(9 * kMiB));
    count += fake_os::CountAll() != calls ? 1 : 0;
  }
  return count;
}

CORE_TEST(SoftLimit, IsKeptToOnceForEachSixteenthOfGrowth) {
  SetOption(Option::kHugeThreshold, 128 * kKiB);
  Allocate(40 * kMiB);
  Free(Allocate(9 * kMiB));
  EXPECT_EQ(CountGiveBacks(64), 0) << "without a limit";
  SetOption(Option::kSoftLimit, 32 * kMiB);
  const int count = CountGiveBacks(64);  // 24 MiB: 12 sixteenths of the limit
  EXPECT_GE(count, 1);
  EXPECT_LE(count, 13);
}

CORE_TEST(SoftLimit, ALowerOneCountsAtOnce) {
  SetOption(Option::kSoftLimit, 1600 * kMiB);
  Allocate(1700 * kMiB);
  Free(Allocate(9 * kMiB));
  SetOption(Option::kSoftLimit, 100 * kMiB);
  EXPECT_NE(AllocateAligned(9 * kMiB, kArenaSize), nullptr);
  const size_t calls = fake_os::CountAll();
  EXPECT_NE(Allocate(9 * kMiB), nullptr);
  EXPECT_NE(fake_os::CountAll(), calls) << "the cache was emptied";
}

// ---- other options ----

CORE_TEST(HugeThreshold, SaysWhatGetsAMapping) {
  SetOption(Option::kHugeThreshold, 200 * kKiB);
  const uintptr_t top = fake_os::BreakNow();
  void* huge = Allocate(200 * kKiB);
  EXPECT_EQ(fake_os::BreakNow(), top);
  EXPECT_EQ(UsableSize(huge), RoundUp(200 * kKiB, os::PageSize()))
      << "in pages";
  void* large = Allocate(200 * kKiB - 1);
  EXPECT_NE(fake_os::BreakNow(), top);
  Fill(huge, 200 * kKiB, 1);
  void* grown = Reallocate(huge, 500 * kKiB);
  EXPECT_TRUE(HasPattern(grown, 200 * kKiB, 1));
  void* moved = Reallocate(large, 500 * kKiB);
  EXPECT_EQ(g_address_map.Find(reinterpret_cast<uintptr_t>(moved)),
            SlotKind::kHuge);
  void* aligned = AllocateAligned(300 * kKiB, 128 * kKiB);
  EXPECT_EQ(g_address_map.Find(reinterpret_cast<uintptr_t>(aligned)),
            SlotKind::kHuge);
  CheckHeap();
  FreeAll({grown, moved, aligned});
  CheckHeap();
}

CORE_TEST(HugeThreshold, AShrunkLargeBlockStaysWhereItIs) {
  void* large = Allocate(4 * kMiB);
  SetOption(Option::kHugeThreshold, 200 * kKiB);
  EXPECT_EQ(Reallocate(large, kMiB), large);
  EXPECT_EQ(UsableSize(large), kMiB);
}

// Cells stay cells, and no large block is larger than an arena can hold.
CORE_TEST(HugeThreshold, HasBounds) {
  SetOption(Option::kHugeThreshold, 0);
  void* cell = Allocate(kMaxSmallSize);
  EXPECT_EQ(g_address_map.Find(reinterpret_cast<uintptr_t>(cell)),
            SlotKind::kArena);
  void* aligned = AllocateAligned(100, 256 * kKiB);
  EXPECT_EQ(g_address_map.Find(reinterpret_cast<uintptr_t>(aligned)),
            SlotKind::kArena);
  void* huge = Allocate(kMaxSmallSize + 1);
  EXPECT_EQ(g_address_map.Find(reinterpret_cast<uintptr_t>(huge)),
            SlotKind::kHuge);
  SetOption(Option::kHugeThreshold, 64 * kMiB);
  huge = Allocate(kMaxLargeSize + 1);
  EXPECT_EQ(g_address_map.Find(reinterpret_cast<uintptr_t>(huge)),
            SlotKind::kHuge);
  CheckHeap();
}

CORE_TEST(HugeCache, KeepsAsMuchAsItIsTold) {
  SetOption(Option::kHugeCache, 20 * kMiB);
  FreeAll(AllocateMany(10 * kMiB, 4));
  EXPECT_GE(fake_os::UsableBytes(), 20 * kMiB);
  EXPECT_LE(fake_os::UsableBytes(), 21 * kMiB);
  SetOption(Option::kHugeCache, 0);
  Allocate(100 * kMiB);  // what others use counts for nothing then
  Free(Allocate(10 * kMiB));
  EXPECT_LE(fake_os::UsableBytes(), 101 * kMiB);
  CheckHeap();
}

TEST(TopPad, IsTheLeastGrowth) {
  for (const size_t pad : {size_t{0}, kMiB, 5 * kMiB, 100 * kMiB}) {
    SCOPED_TRACE(pad);
    RunInFreshProcess([pad] {
      SetOption(Option::kTopPad, pad);
      Allocate(100 * kKiB);
      const size_t grown = fake_os::UsableBytes();
      EXPECT_GE(grown, std::min(pad, 15 * kMiB));
      EXPECT_LE(grown, std::min(pad, 16 * kMiB) + 17 * kMiB)
          << "up to the first arena, and one more";
      SetOption(Option::kTopPad, 0);
      CheckHeap();
    });
  }
}

}  // namespace
}  // namespace memalloc
