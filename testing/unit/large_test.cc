// Large blocks: whole granules, best fit, growth and shrinking in place,
// alignment, and zeros that are known or made.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;
constexpr size_t kGranule = kGranuleSize;

size_t GranulesOf(const void* block) { return BlockOfPointer(block)->granules; }

// Pages of the block that the real kernel has made.
size_t ResidentPages(const void* block, size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident(bytes / page);
  EXPECT_EQ(mincore(const_cast<void*>(block), bytes, resident.data()), 0);
  return static_cast<size_t>(
      std::count_if(resident.begin(), resident.end(),
                    [](unsigned char flags) { return (flags & 1) != 0; }));
}

CORE_TEST(Large, IsMadeOfWholeGranules) {
  for (size_t size = kMaxSmallSize + 1; size <= kMaxLargeSize;
       size += 50 * kGranule - 1) {
    void* block = Allocate(size);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % kGranule, 0U);
    EXPECT_EQ(UsableSize(block), RoundUp(size, kGranule));
    EXPECT_EQ(BlockOfPointer(block)->status, BlockStatus::kLarge);
    Fill(block, UsableSize(block), size);
    CheckHeap();
  }
  void* largest = Allocate(kMaxLargeSize);
  EXPECT_EQ(BlockOfPointer(largest)->status, BlockStatus::kLarge);
}

CORE_TEST(Large, TwoOfTheLargestFillAnArena) {
  const auto first = reinterpret_cast<uintptr_t>(Allocate(kMaxLargeSize));
  const auto second = reinterpret_cast<uintptr_t>(Allocate(kMaxLargeSize));
  EXPECT_EQ(ArenaOf(first), ArenaOf(second));
  // Powers of two are common: the next one is no block of an arena.
  void* rounder = Allocate(8 * kMiB);
  EXPECT_EQ(BlockOfPointer(rounder)->status, BlockStatus::kHuge);
  EXPECT_EQ(g_central_heap.Counts().arenas, 1U);
  CheckHeap();
}

CORE_TEST(Large, TakesTheGapThatFitsBest) {
  // Gaps of 6, 3 and 9 granules, apart from each other.
  std::vector<void*> blocks;
  for (const size_t granules : {6, 2, 3, 2, 9, 2}) {
    blocks.push_back(Allocate(granules * kGranule));
  }
  Allocate(kGranule + 1);
  void* six = blocks[0];
  void* three = blocks[2];
  void* nine = blocks[4];
  Free(six);
  Free(nine);
  Free(three);
  CheckHeap();
  EXPECT_EQ(Allocate(3 * kGranule), three);
  EXPECT_EQ(Allocate(5 * kGranule), six);
  EXPECT_EQ(Allocate(7 * kGranule), nine);
  CheckHeap();
}

CORE_TEST(Large, FreedNeighboursBecomeOne) {
  std::vector<void*> blocks;
  for (int i = 0; i < 5; ++i) blocks.push_back(Allocate(2 * kGranule));
  Allocate(2 * kGranule);
  for (const size_t i : {1, 3, 2, 0, 4}) {
    Free(blocks[i]);
    CheckHeap();
  }
  EXPECT_EQ(Allocate(10 * kGranule), blocks[0]);
}

// ---- resizing in place ----

CORE_TEST(LargeResize, GrowsIntoFreeGranulesBehind) {
  void* block = Allocate(2 * kGranule);
  void* behind = Allocate(3 * kGranule);
  void* wall = Allocate(2 * kGranule);
  Fill(block, 2 * kGranule, 1);
  Free(behind);
  EXPECT_EQ(Reallocate(block, 4 * kGranule), block);
  EXPECT_EQ(GranulesOf(block), 4U);
  CheckHeap();
  EXPECT_EQ(Reallocate(block, 5 * kGranule - 7), block);
  EXPECT_EQ(GranulesOf(block), 5U);
  CheckHeap();
  EXPECT_TRUE(HasPattern(block, 2 * kGranule, 1));
  // And no further.
  void* moved = Reallocate(block, 5 * kGranule + 1);
  EXPECT_NE(moved, block);
  EXPECT_NE(moved, wall);
  EXPECT_TRUE(HasPattern(moved, 2 * kGranule, 1));
  CheckHeap();
}

CORE_TEST(LargeResize, GrowsAtTheTopOfTheBreak) {
  // Up to where the arena is backed, so that the break must rise.
  void* block = Allocate(2 * kGranule);
  const uintptr_t top = fake_os::BreakNow();
  const size_t size = top - reinterpret_cast<uintptr_t>(block) + 20 * kGranule;
  Fill(block, 2 * kGranule, 1);
  EXPECT_EQ(Reallocate(block, size), block);
  CheckHeap();
  EXPECT_GT(fake_os::BreakNow(), top);
  EXPECT_TRUE(HasPattern(block, 2 * kGranule, 1));
  Fill(block, size, 2);
}

CORE_TEST(LargeResize, MovesWhenTheBreakIsSomebodyElses) {
  void* block = Allocate(2 * kGranule);
  const uintptr_t top = fake_os::BreakNow();
  fake_os::ForeignSbrk(100);
  Fill(block, 2 * kGranule, 1);
  const size_t size = top - reinterpret_cast<uintptr_t>(block) + 1;
  void* moved = Reallocate(block, size);
  ASSERT_NE(moved, nullptr);
  CheckHeap();
  EXPECT_TRUE(HasPattern(moved, 2 * kGranule, 1));
  Fill(moved, size, 2);
}

CORE_TEST(LargeResize, ShrinksInPlaceAndGivesBack) {
  void* block = Allocate(20 * kGranule);
  void* wall = Allocate(2 * kGranule);
  Fill(block, 20 * kGranule, 1);
  const uint64_t before = g_central_heap.Counts().block_bytes;
  EXPECT_EQ(Reallocate(block, 9 * kGranule + 1), block);
  CheckHeap();
  EXPECT_EQ(before - g_central_heap.Counts().block_bytes, 10 * kGranule);
  EXPECT_EQ(UsableSize(block), 10 * kGranule);
  EXPECT_TRUE(HasPattern(block, 10 * kGranule, 1, 20 * kGranule));
  // What was given back is behind the block and in front of the next.
  void* gap = Allocate(10 * kGranule);
  EXPECT_GT(gap, block);
  EXPECT_LT(gap, wall);
}

CORE_TEST(LargeResize, StaysWhileItIsWellUsed) {
  void* block = Allocate(20 * kGranule);
  EXPECT_EQ(Reallocate(block, 16 * kGranule), block);
  EXPECT_EQ(GranulesOf(block), 20U);
}

// Growing by small steps must not copy each time.
CORE_TEST(LargeResize, SmallStepsMoveSeldom) {
  Allocate(100);
  void* block = Allocate(kMaxSmallSize + 1);
  void* wall = Allocate(kMaxSmallSize + 1);
  size_t copied = 0;
  size_t size = kMaxSmallSize + 1;
  Fill(block, 1000, 1);
  while (size < kMaxLargeSize) {
    size = std::min(size + 4096, kMaxLargeSize);
    void* moved = Reallocate(block, size);
    ASSERT_NE(moved, nullptr);
    if (moved != block) {
      copied += size;
      // Stand in the way again.
      Free(wall);
      wall = Allocate(kMaxSmallSize + 1);
    }
    block = moved;
  }
  EXPECT_TRUE(HasPattern(block, 1000, 1));
  EXPECT_LE(copied, 10 * kMaxLargeSize);
  CheckHeap();
}

// ---- alignment ----

TEST(LargeAligned, EveryAlignmentAndSize) {
  for (size_t alignment = 32; alignment <= kMaxLargeAlignment; alignment *= 2) {
    SCOPED_TRACE(alignment);
    RunInFreshProcess([alignment] {
      std::vector<void*> blocks;
      const size_t sizes[] = {
          0,        1,        100,           alignment, 70000,
          kMiB + 1, 3 * kMiB, alignment + 1, 5 * kMiB,  kMaxLargeSize};
      for (const size_t size : sizes) {
        void* block = AllocateAligned(size, alignment);
        ASSERT_NE(block, nullptr) << size;
        ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0U) << size;
        ASSERT_GE(UsableSize(block), size);
        Fill(block, size, size);
        blocks.push_back(block);
        CheckHeap();
      }
      for (size_t i = 0; i < blocks.size(); ++i) {
        ASSERT_TRUE(HasPattern(blocks[i], sizes[i], sizes[i]));
        void* resized = Reallocate(blocks[i], sizes[i] + 50000);
        ASSERT_TRUE(HasPattern(resized, sizes[i], sizes[i]));
        Free(resized);
        CheckHeap();
      }
    });
  }
}

// What is left over in front of an aligned block is used.
CORE_TEST(LargeAligned, LeavesNothingUnused) {
  AllocateAligned(2 * kMiB, 4 * kMiB);
  const uintptr_t top = fake_os::BreakNow();
  ASSERT_NE(Allocate(kMiB), nullptr);
  EXPECT_EQ(fake_os::BreakNow(), top);
}

// ---- zeros ----

CORE_TEST(LargeZeroed, FreshMemoryIsKnownToBeZero) {
  void* block = AllocateZeroed(5 * kMiB);
  EXPECT_EQ(ResidentPages(block, 5 * kMiB), 0U) << "not touched";
  EXPECT_TRUE(IsZero(block, 5 * kMiB));
}

CORE_TEST(LargeZeroed, UsedMemoryIsCleared) {
  for (const size_t size : {100000UL, 2 * kMiB, 7 * kMiB}) {
    void* block = Allocate(size);
    Fill(block, size, 1);
    Free(block);
    void* again = AllocateZeroed(size);
    EXPECT_EQ(again, block);
    EXPECT_TRUE(IsZero(again, size));
    Fill(again, size, 2);
    CheckHeap();
  }
}

// Half of the run was used before: that half is cleared, the other half is not
// touched.
CORE_TEST(LargeZeroed, EachGranuleIsKnownByItself) {
  void* used = Allocate(10 * kGranule);
  memset(used, 1, 10 * kGranule);
  Free(used);
  void* block = AllocateZeroed(20 * kGranule);
  ASSERT_EQ(block, used);
  EXPECT_LE(ResidentPages(block, 20 * kGranule), 10 * kGranule / 4096);
  EXPECT_TRUE(IsZero(block, 20 * kGranule));
}

CORE_TEST(LargeZeroed, GrownAndShrunkBlocksAreRemembered) {
  void* block = Allocate(2 * kGranule);
  block = Reallocate(block, 10 * kGranule);  // in place: nothing is behind
  memset(block, 1, 10 * kGranule);
  block = Reallocate(block, 2 * kGranule);  // gives back eight, written to
  void* again = AllocateZeroed(8 * kGranule);
  EXPECT_EQ(static_cast<char*>(again),
            static_cast<char*>(block) + 2 * kGranule);
  EXPECT_TRUE(IsZero(again, 8 * kGranule));
}

CORE_TEST(LargeZeroed, MemoryOfSmallBlocksIsCleared) {
  std::vector<void*> cells = AllocateMany(8000, 200);
  for (void* cell : cells) memset(cell, 1, 8000);
  FreeAll(cells);
  for (int i = 0; i < 10; ++i) {
    void* block = AllocateZeroed(2 * kGranule);
    ASSERT_TRUE(IsZero(block, 2 * kGranule)) << i;
  }
}

CORE_TEST(LargeZeroed, SmallCellsAreClearedToo) {
  for (const size_t size : {1UL, 24UL, 1000UL, 20000UL, kMaxSmallSize}) {
    for (int round = 0; round < 3; ++round) {
      void* cell = AllocateZeroed(size);
      ASSERT_TRUE(IsZero(cell, size)) << size;
      memset(cell, 1, size);
      Free(cell);
    }
  }
}

CORE_TEST(GoodSize, IsWhatANewAllocationHas) {
  for (const size_t threshold : {kMaxLargeSize + 1, kMiB}) {
    SetOption(Option::kHugeThreshold, threshold);
    for (size_t alignment = 1; alignment <= 2 * kArenaSize; alignment *= 2) {
      for (size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{5000},
                          kMaxSmallSize, kMaxSmallSize + 1, kMiB - 1, kMiB,
                          kMaxLargeSize, kMaxLargeSize + 1}) {
        void* block = AllocateAligned(size, alignment);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(GoodSize(size, alignment), UsableSize(block))
            << size << " at " << alignment;
        Free(block);
      }
    }
  }
  EXPECT_EQ(GoodSize(kMaxRequest, 1), 0U);
  EXPECT_EQ(GoodSize(1, size_t{1} << 63), 0U);
}

}  // namespace
}  // namespace memalloc
