// Huge blocks: mappings of their own, at any alignment, resized in place or by
// moving their pages, and what is left when a call for that fails.

#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/os/os.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::Call;

constexpr size_t kMiB = 1024 * 1024;
constexpr size_t kGiB = 1024 * kMiB;

char* At(void* block, size_t offset) {
  return static_cast<char*>(block) + offset;
}

CORE_TEST(Huge, HasPagesOfItsOwn) {
  const uintptr_t top = fake_os::BreakNow();
  const size_t size = 40 * kMiB + 5;
  void* block = Allocate(size);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(fake_os::BreakNow(), top);
  EXPECT_EQ(UsableSize(block), RoundUp(size, os::PageSize()));
  EXPECT_TRUE(IsZero(block, UsableSize(block)));
  Fill(block, UsableSize(block), 1);
  CheckHeap();
  EXPECT_EQ(g_central_heap.Counts().arenas, 0U);
  EXPECT_EQ(g_central_heap.Counts().blocks, 1U);
  EXPECT_GE(g_central_heap.Counts().live_bytes, size);
  for (size_t offset = 0; offset < size; offset += kMiB) {
    ASSERT_TRUE(Owns(At(block, offset)));
  }
  Free(block);
  CheckHeap();
  EXPECT_EQ(g_central_heap.Counts().blocks, 0U);
  EXPECT_EQ(g_central_heap.Counts().live_bytes, 0U);
}

CORE_TEST(Huge, ManyBesideEachOther) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < 30; ++i) {
    const size_t size = 9 * kMiB + i * (kMiB + 4096);
    blocks.push_back(Allocate(size));
    ASSERT_NE(blocks.back(), nullptr);
    Fill(blocks.back(), size, i);
    CheckHeap();
  }
  for (size_t i = 0; i < 30; ++i) {
    const size_t size = 9 * kMiB + i * (kMiB + 4096);
    ASSERT_TRUE(HasPattern(blocks[i], size, i)) << i;
  }
  for (size_t i = 0; i < 30; i += 2) Free(blocks[i]);
  CheckHeap();
  for (size_t i = 1; i < 30; i += 2) Free(blocks[i]);
  CheckHeap();
}

// A loop of malloc and free must not take new address space each time, nor keep
// more than a bounded amount.
CORE_TEST(Huge, FreedMappingsAreUsedAgainOrGivenBack) {
  size_t mapped = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<void*> blocks;
    for (size_t i = 0; i < 8; ++i) {
      blocks.push_back(Allocate(9 * kMiB + i * 3 * kMiB));
    }
    if (round == 5) mapped = fake_os::MappedBytes();
    FreeAll(blocks);
    CheckHeap();
    ASSERT_LE(fake_os::MappedBytes(), 200 * kMiB);
  }
  EXPECT_LE(fake_os::MappedBytes(), mapped);
  EXPECT_LE(fake_os::UsableBytes(), 64 * kMiB) << "kept for the next";
}

CORE_TEST(Huge, ASmallerBlockLeavesPagesToSpare) {
  void* block = Allocate(36 * kMiB);
  Allocate(36 * kMiB);  // so that something may be kept
  Free(block);
  const size_t calls = fake_os::CountAll();
  ASSERT_EQ(Allocate(12 * kMiB), block);
  EXPECT_EQ(UsableSize(block), 12 * kMiB);
  EXPECT_TRUE(Owns(At(block, 30 * kMiB))) << "to spare";
  ASSERT_EQ(Reallocate(block, 30 * kMiB), block);
  EXPECT_EQ(UsableSize(block), 30 * kMiB);
  EXPECT_EQ(fake_os::CountAll(), calls) << "the kernel was not asked";
  CheckHeap();

  const size_t usable = fake_os::UsableBytes();
  ASSERT_TRUE(g_central_heap.GiveBack());
  EXPECT_EQ(usable - fake_os::UsableBytes(), 6 * kMiB);
  EXPECT_FALSE(Owns(At(block, 34 * kMiB)));
  CheckHeap();
  Free(block);
  CheckHeap();
}

CORE_TEST(Huge, AMuchSmallerBlockGetsAPartOfTheMapping) {
  void* block = Allocate(40 * kMiB);
  Allocate(80 * kMiB);
  Free(block);
  ASSERT_EQ(Allocate(9 * kMiB), block);
  EXPECT_FALSE(Owns(At(block, 30 * kMiB)));
  CheckHeap();
}

// What blocks have to spare counts as kept.
CORE_TEST(Huge, WhatIsToSpareIsBounded) {
  std::vector<void*> blocks;
  for (int i = 0; i < 20; ++i) blocks.push_back(Allocate(40 * kMiB));
  for (void*& block : blocks) {
    Free(block);
    block = Allocate(10 * kMiB);
    CheckHeap();
  }
  EXPECT_LE(fake_os::UsableBytes(), 720 * kMiB) << "of 800 at first";
  FreeAll(blocks);
  CheckHeap();
  EXPECT_LE(fake_os::UsableBytes(), 64 * kMiB);
}

CORE_TEST(Huge, AMappingThatIsUsedAgainIsZeroWhenAsked) {
  for (const size_t size :
       {20 * kMiB, 18 * kMiB, 9 * kMiB, 20 * kMiB, 25 * kMiB}) {
    void* block = Allocate(20 * kMiB);
    Fill(block, 20 * kMiB, 1);
    Free(block);
    void* again = AllocateZeroed(size);
    ASSERT_NE(again, nullptr);
    EXPECT_TRUE(IsZero(again, size)) << size;
    Fill(again, size, 2);
    Free(again);
    CheckHeap();
  }
}

CORE_TEST(Huge, OwnsItsMappingAndNothingBehind) {
  for (const size_t alignment : {kMinAlignment, kArenaSize}) {
    for (const size_t size : {9 * kMiB + 1, 33 * kMiB + 1}) {
      void* block = AllocateAligned(size, alignment);
      ASSERT_NE(block, nullptr);
      const size_t usable = UsableSize(block);
      EXPECT_TRUE(Owns(At(block, usable - 1)));
      EXPECT_FALSE(Owns(At(block, usable))) << "in its last slot";
    }
  }
  void* kept = Allocate(20 * kMiB);
  Free(kept);
  EXPECT_TRUE(Owns(kept)) << "in the cache";
  ASSERT_TRUE(g_central_heap.GiveBack());
  EXPECT_FALSE(Owns(kept));
}

// What the map said may be outdated when the mapping is looked at: another
// thread frees it.
CORE_TEST(Huge, OwnsDoesNotFollowWhatIsGone) {
  void* gone = Allocate(80 * kMiB);
  Free(gone);
  const auto address = reinterpret_cast<uintptr_t>(gone);
  ASSERT_FALSE(Owns(gone));
  for (const SlotKind kind : {SlotKind::kHuge, SlotKind::kHugeInside}) {
    g_address_map.Set(address, 1, kind);
    EXPECT_FALSE(Owns(gone));
  }
}

// ---- alignment ----

TEST(HugeAligned, EveryAlignmentAndSize) {
  for (size_t alignment = 16; alignment <= kGiB; alignment *= 2) {
    SCOPED_TRACE(alignment);
    RunInFreshProcess([alignment] {
      Allocate(9 * kMiB);  // the first hole is not aligned to anything
      for (const size_t size : {size_t{1}, 9 * kMiB, 33 * kMiB + 1}) {
        void* block = AllocateAligned(size, alignment);
        ASSERT_NE(block, nullptr) << size;
        ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0U) << size;
        ASSERT_GE(UsableSize(block), size);
        Fill(block, size, size);
        CheckHeap();
        ASSERT_TRUE(Owns(block));
        ASSERT_TRUE(Owns(At(block, size - 1)));
        ASSERT_TRUE(HasPattern(block, size, size));
        void* grown = Reallocate(block, size + 20 * kMiB);
        ASSERT_NE(grown, nullptr);
        ASSERT_TRUE(HasPattern(grown, size, size));
        CheckHeap();
        void* shrunk = Reallocate(grown, size);
        ASSERT_TRUE(HasPattern(shrunk, size, size));
        CheckHeap();
        Free(shrunk);
        CheckHeap();
      }
      const size_t mapped = fake_os::MappedBytes();
      for (int i = 0; i < 10; ++i) {
        Free(AllocateAligned(9 * kMiB, alignment));
        CheckHeap();
      }
      EXPECT_LE(fake_os::MappedBytes(), mapped + 48 * kMiB);
    });
  }
}

// ---- resizing ----

CORE_TEST(HugeResize, GrowsInPlaceWhereThereIsRoom) {
  // Mappings come from the top down: freeing the upper one makes room.
  void* upper = Allocate(100 * kMiB);
  void* block = Allocate(20 * kMiB);
  ASSERT_LT(block, upper);
  Fill(block, 20 * kMiB, 1);
  Free(upper);
  ASSERT_EQ(Reallocate(block, 50 * kMiB), block);
  EXPECT_EQ(fake_os::Count(Call::kRemapTo), 0U);
  EXPECT_TRUE(HasPattern(block, 20 * kMiB, 1));
  EXPECT_TRUE(IsZero(At(block, 20 * kMiB), 30 * kMiB));
  EXPECT_TRUE(Owns(At(block, 50 * kMiB - 1))) << "in its new slots";
  Fill(block, 50 * kMiB, 2);
  CheckHeap();
}

CORE_TEST(HugeResize, MovesItsPagesWhereThereIsNone) {
  void* wall = Allocate(10 * kMiB);
  void* block = Allocate(20 * kMiB);
  Fill(block, 20 * kMiB, 1);
  const size_t mapped = fake_os::MappedBytes();
  void* moved = Reallocate(block, 70 * kMiB);
  ASSERT_NE(moved, nullptr);
  ASSERT_NE(moved, block);
  EXPECT_EQ(fake_os::Count(Call::kRemapTo), 1U) << "not copied";
  EXPECT_TRUE(HasPattern(moved, 20 * kMiB, 1));
  EXPECT_TRUE(IsZero(At(moved, 20 * kMiB), 50 * kMiB));
  EXPECT_FALSE(Owns(block)) << "its old place is nobody's";
  EXPECT_LE(fake_os::MappedBytes() - mapped, 70 * kMiB);
  CheckHeap();
  Free(wall);
  Free(moved);
  CheckHeap();
}

CORE_TEST(HugeResize, ShrinksInPlace) {
  const size_t size = 60 * kMiB;
  void* block = Allocate(size);
  Fill(block, size, 1);
  const size_t usable = fake_os::UsableBytes();
  ASSERT_EQ(Reallocate(block, 30 * kMiB + 1), block);
  EXPECT_EQ(usable - fake_os::UsableBytes(), 30 * kMiB - os::PageSize());
  EXPECT_TRUE(HasPattern(block, 30 * kMiB + 1, 1, size));
  EXPECT_TRUE(Owns(At(block, 30 * kMiB)));
  EXPECT_FALSE(Owns(At(block, 50 * kMiB))) << "slots are given up too";
  CheckHeap();
  ASSERT_EQ(Reallocate(block, 30 * kMiB), block) << "well used";
  CheckHeap();
}

CORE_TEST(HugeResize, SmallStepsMoveSeldom) {
  void* block = Allocate(9 * kMiB);
  for (size_t size = 9 * kMiB; size < 100 * kMiB; size += 128 * 1024) {
    Allocate(9 * kMiB);  // in the way
    block = Reallocate(block, size);
    ASSERT_NE(block, nullptr);
  }
  EXPECT_LE(fake_os::Count(Call::kRemapTo), 20U);
}

CORE_TEST(HugeResize, BecomesLargeAndSmallAndBack) {
  void* block = Allocate(20 * kMiB);
  Fill(block, 20 * kMiB, 1);
  const size_t sizes[] = {5 * kMiB,  100,   3000,     2 * kMiB,
                          30 * kMiB, 50000, 15 * kMiB};
  size_t kept = 20 * kMiB;
  for (const size_t size : sizes) {
    block = Reallocate(block, size);
    ASSERT_NE(block, nullptr);
    kept = Min(kept, size);
    ASSERT_TRUE(HasPattern(block, kept, 1, 20 * kMiB)) << size;
    CheckHeap();
  }
}

// ---- failures ----

// Each way in which growing can fail, alone and together with the others.
TEST(HugeFailure, LeavesTheOldContents) {
  constexpr Call kCalls[] = {Call::kRemapInPlace, Call::kRemapTo,
                             Call::kReserve, Call::kCommit};
  // The fifth bit: the kernel leaves holes where it refuses.
  for (unsigned failing = 0; failing < 32; ++failing) {
    for (const size_t times : {size_t{1}, size_t{2}, fake_os::kForEver}) {
      SCOPED_TRACE(testing::Message() << "calls " << failing << ", " << times);
      RunInFreshProcess([&] {
        if ((failing >> 4 & 1) != 0) fake_os::RefusalsLeaveHoles();
        Allocate(10 * kMiB);
        void* block = Allocate(20 * kMiB);
        Fill(block, 20 * kMiB, 1);
        const size_t mapped = fake_os::MappedBytes();
        for (unsigned i = 0; i < 4; ++i) {
          if ((failing >> i & 1) != 0) fake_os::Fail(kCalls[i], 1, times);
        }
        void* moved = Reallocate(block, 45 * kMiB);
        CheckHeap();
        ASSERT_TRUE(moved != nullptr || failing % 16 != 0);
        if (moved == nullptr) {
          EXPECT_EQ(fake_os::MappedBytes(), mapped) << "nothing is left over";
          EXPECT_EQ(UsableSize(block), 20 * kMiB);
          moved = block;
        }
        ASSERT_TRUE(HasPattern(moved, 20 * kMiB, 1));
        fake_os::EndShortage();
        moved = Reallocate(moved, 60 * kMiB);
        ASSERT_TRUE(HasPattern(moved, 20 * kMiB, 1));
        Free(moved);
      });
    }
  }
}

// The old place of a block that moves can be given to another thread at once:
// the block that is made there must not lose its slots.
CORE_TEST(HugeResize, ItsOldPlaceServesOthersAtOnce) {
  Allocate(10 * kMiB);
  void* block = Allocate(100 * kMiB);
  Allocate(10 * kMiB);
  const auto old_place = reinterpret_cast<uintptr_t>(block);
  std::vector<void*> others;
  fake_os::After(Call::kRemapTo, [&] {
    // No other place has room.
    for (size_t chunk = 8 * kGiB; chunk > 100 * kMiB; chunk /= 2) {
      while (os::Reserve(chunk, 0) != 0) {
      }
    }
    for (int i = 0; i < 3; ++i) others.push_back(Allocate(20 * kMiB));
  });
  void* moved = Reallocate(block, 200 * kMiB);
  ASSERT_NE(moved, nullptr);
  ASSERT_EQ(others.size(), 3U);
  bool in_old_place = false;
  for (void* other : others) {
    const auto address = reinterpret_cast<uintptr_t>(other);
    in_old_place |= address >= old_place && address < old_place + 100 * kMiB;
    ASSERT_TRUE(Owns(other));
    ASSERT_TRUE(Owns(At(other, 19 * kMiB)));
  }
  EXPECT_TRUE(in_old_place) << "the test has lost its point";
  CheckHeap();
  FreeAll(others);
  Free(moved);
  CheckHeap();
}

// What the heap keeps for speed is not given up for a request that is refused
// anyway.
CORE_TEST(HugeFailure, AHopelessRequestCostsTheHeapNothing) {
  FreeAll(AllocateMany(kMiB, 20));
  Free(Allocate(20 * kMiB));
  const uintptr_t top = fake_os::BreakNow();
  const size_t mapped = fake_os::MappedBytes();
  EXPECT_EQ(Allocate(100 * kGiB), nullptr) << "more than all address space";
  for (const unsigned bit : {48, 50, 62}) {
    EXPECT_EQ(AllocateAligned(100, size_t{1} << bit), nullptr) << bit;
  }
  fake_os::LimitMemory(fake_os::UsableBytes() + 20 * kMiB);
  EXPECT_EQ(Allocate(100 * kMiB), nullptr);
  EXPECT_EQ(fake_os::BreakNow(), top);
  EXPECT_EQ(fake_os::MappedBytes(), mapped);
  const size_t calls = fake_os::CountAll();
  EXPECT_NE(Allocate(20 * kMiB), nullptr);
  EXPECT_EQ(fake_os::CountAll(), calls) << "from the cache";
}

// It is given up where it makes up for what is missing.
CORE_TEST(HugeFailure, WhatIsKeptIsGivenUpForARequestThatItServes) {
  FreeAll({Allocate(10 * kMiB), Allocate(11 * kMiB)});
  fake_os::LimitMemory(fake_os::UsableBytes() + 20 * kMiB);
  EXPECT_NE(Allocate(40 * kMiB), nullptr) << "21 MiB and what there is";
  CheckHeap();
}

CORE_TEST(HugeFailure, ImpossibleSizesAndAlignmentsLeaveNoTrace) {
  Allocate(100);
  void* huge = Allocate(20 * kMiB);
  Fill(huge, 20 * kMiB, 1);
  const size_t mapped = fake_os::MappedBytes();
  std::vector<size_t> sizes;
  for (const size_t around :
       {kMaxRequest, kMaxRequest / 2, kMaxRequest / 4, SIZE_MAX,
        SIZE_MAX - kArenaSize, size_t{1} << kAddressBits, kMaxRequest - kGiB}) {
    for (const size_t less :
         {size_t{0}, size_t{1}, size_t{4095}, kGranuleSize, kArenaSize,
          kArenaSize + kGranuleSize, 3 * kArenaSize}) {
      sizes.push_back(around - less);
    }
  }
  for (const size_t size : sizes) {
    EXPECT_EQ(Allocate(size), nullptr) << size;
    EXPECT_EQ(AllocateZeroed(size), nullptr) << size;
    EXPECT_EQ(Reallocate(huge, size), nullptr) << size;
    for (unsigned shift = 4; shift < 64; ++shift) {
      EXPECT_EQ(AllocateAligned(size, size_t{1} << shift), nullptr)
          << size << " at 2^" << shift;
    }
  }
  for (unsigned shift = 48; shift < 64; ++shift) {
    for (const size_t size : {size_t{0}, size_t{1}, kMiB, 20 * kMiB}) {
      EXPECT_EQ(AllocateAligned(size, size_t{1} << shift), nullptr) << shift;
    }
  }
  CheckHeap();
  EXPECT_EQ(fake_os::MappedBytes(), mapped);
  EXPECT_TRUE(HasPattern(huge, 20 * kMiB, 1));
  EXPECT_NE(Allocate(20 * kMiB), nullptr);
}

}  // namespace
}  // namespace memalloc
