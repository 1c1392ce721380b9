// CheckHeap finds what it promises to find: each test breaks one thing, in a
// heap that was sound, and expects the walker's line.

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/layout/arena.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using ::testing::MatchesRegex;

constexpr size_t kMiB = 1024 * 1024;

// A heap with blocks of all kinds; what to break is among them.
struct Sound {
  std::vector<void*> cells = AllocateMany(64, 200);  // current
  std::vector<void*> full = AllocateMany(8192, 8);   // detached
  std::vector<void*> wide = AllocateMany(30000, 3);  // many granules
  void* large = Allocate(3 * kMiB);
  void* gap = Allocate(2 * kMiB);  // too large for a magazine
  void* after = Allocate(kMiB);
  void* huge = Allocate(20 * kMiB);
  void* huge_too = Allocate(30 * kMiB);
  void* orphan = nullptr;

  Sound() {
    Allocate(8192);
    for (size_t i = 0; i < 50; ++i) Free(cells[2 * i]);
    Worker worker;
    worker.Do([this] { orphan = Allocate(300); });
    EndAndEmpty(worker);
    Free(gap);
    CheckHeap();
  }
};

void ExpectFound(const std::function<void(Sound&)>& damage) {
  const std::string output = OutputUntilAbort([&] {
    Sound sound;
    damage(sound);
    CheckHeap();
  });
  EXPECT_THAT(output, MatchesRegex("memalloc: heap\\(0x[0-9a-f]+\\): .*; see "
                                   "docs/errors\\.md#heap-corruption\n"));
}

// That the tests below fail for what they break, not for the heap they made.
CORE_TEST(CheckHeap, IsSilentWhenAllIsWell) {
  Sound sound;
  FreeAll(sound.full);
  CheckHeap();
}

// ---- marks of free granules ----

// The marks, and the free granule of `gap` among them.
FreeGranules* MarksOf(const Sound& s, size_t* granule) {
  BlockHeader* run = BlockOfPointer(s.gap);
  *granule = GranuleOf(run);
  return ArenaHeaderOf(run)->Free();
}

TEST(CheckHeap, FindsAMissingMark) {
  ExpectFound([](Sound& s) {
    size_t granule;
    MarksOf(s, &granule)->purgeable.Clear(granule, 1);
  });
}

TEST(CheckHeap, FindsAMarkOfAGranuleInUse) {
  ExpectFound([](Sound& s) {
    size_t granule;
    MarksOf(s, &granule)->purgeable.Set(GranuleOf(BlockOfPointer(s.large)), 1);
  });
}

TEST(CheckHeap, FindsAnIdleMarkAlone) {
  ExpectFound([](Sound& s) {
    size_t granule;
    MarksOf(s, &granule)->idle.Set(GranuleOf(BlockOfPointer(s.large)), 1);
  });
}

TEST(CheckHeap, FindsACleanGranuleThatCountsAsDirty) {
  ExpectFound([](Sound& s) {
    BlockHeader* run = BlockOfPointer(s.gap);
    ArenaHeaderOf(run)->dirty.Clear(GranuleOf(run), 1);
  });
}

TEST(CheckHeap, FindsARunThatNobodyPurges) {
  ExpectFound([](Sound& s) {
    BlockOfPointer(s.large)->status = BlockStatus::kPurging;
  });
}

// ---- small blocks ----

TEST(CheckHeap, FindsAWrongSizeClass) {
  ExpectFound([](Sound& s) { BlockOfPointer(s.cells[1])->size_class += 1; });
  ExpectFound([](Sound& s) {
    BlockOfPointer(s.cells[1])->size_class = kNumSizeClasses;
  });
}

TEST(CheckHeap, FindsAWrongCellSize) {
  ExpectFound([](Sound& s) { BlockOfPointer(s.full[0])->cell_size -= 16; });
}

TEST(CheckHeap, FindsTooManyCarvedCells) {
  ExpectFound([](Sound& s) {
    BlockHeader* block = BlockOfPointer(s.cells[1]);
    block->carved = static_cast<uint16_t>(block->capacity + 1);
  });
}

TEST(CheckHeap, FindsAWrongCountOfFreeCells) {
  ExpectFound([](Sound& s) { BlockOfPointer(s.cells[1])->free_base += 1; });
  ExpectFound([](Sound& s) { BlockOfPointer(s.cells[1])->countdown += 1; });
  ExpectFound([](Sound& s) { BlockOfPointer(s.cells[1])->free_list = 0; });
}

TEST(CheckHeap, FindsALinkThatWasOverwritten) {
  for (const uintptr_t value : {uintptr_t{0}, ~uintptr_t{0}}) {
    ExpectFound([value](Sound& s) {
      auto* cell = static_cast<FreeCell*>(s.cells[40]);
      cell->link = value;
    });
  }
}

// Makes `cell` lead to `next` by a link as the allocator writes it.
void LinkTo(void* cell, uintptr_t next) {
  static_cast<FreeCell*>(cell)->SetNext(next, BlockOfPointer(cell)->link_key);
}

TEST(CheckHeap, FindsAListThatLeavesItsBlock) {
  ExpectFound([](Sound& s) {
    LinkTo(s.cells[40], reinterpret_cast<uintptr_t>(s.full[3]));
  });
}

TEST(CheckHeap, FindsAListBetweenTheCells) {
  ExpectFound([](Sound& s) {
    LinkTo(s.cells[40], reinterpret_cast<uintptr_t>(s.cells[20]) + 16);
  });
}

TEST(CheckHeap, FindsAListThatRunsInACircle) {
  ExpectFound([](Sound& s) {
    LinkTo(s.cells[40], reinterpret_cast<uintptr_t>(s.cells[60]));
  });
}

TEST(CheckHeap, FindsAListBeyondWhatWasCarved) {
  ExpectFound([](Sound& s) {
    BlockHeader* block = BlockOfPointer(s.cells[1]);
    ASSERT_LT(block->carved, block->capacity);
    const uintptr_t beyond =
        BlockStart(block) + block->carved * block->cell_size;
    CellAt(beyond)->SetNext(block->free_list, block->link_key);
    block->free_list = beyond;
    block->free_base += 1;
  });
}

TEST(CheckHeap, FindsABrokenOrphanList) {
  ExpectFound([](Sound& s) {
    BlockOfPointer(s.orphan)->orphan_list = OrphanList::kNone;
  });
  ExpectFound([](Sound& s) { BlockOfPointer(s.orphan)->orphan_prev = 5; });
}

TEST(CheckHeap, LooksIntoBlocksThatNobodyOwns) {
  ExpectFound([](Sound& s) { BlockOfPointer(s.orphan)->free_base += 1; });
  ExpectFound([](Sound& s) { BlockOfPointer(s.full[0])->free_base += 1; });
}

// ---- granules ----

TEST(CheckHeap, FindsAWrongGranuleInside) {
  ExpectFound([](Sound& s) {
    BlockOfPointer(s.wide[0])[1].status = BlockStatus::kLarge;
  });
  ExpectFound([](Sound& s) { BlockOfPointer(s.wide[0])[2].offset = 1; });
}

TEST(CheckHeap, FindsWrongLengths) {
  ExpectFound([](Sound& s) { BlockOfPointer(s.large)->granules += 1; });
  ExpectFound([](Sound& s) { BlockOfPointer(s.large)->granules = 0; });
  ExpectFound([](Sound& s) { BlockOfPointer(s.large)->granules = 0xffff; });
  ExpectFound([](Sound& s) {
    BlockHeader* block = BlockOfPointer(s.large);
    block[block->granules - 1].granules -= 1;
  });
}

TEST(CheckHeap, FindsAWrongStatus) {
  ExpectFound(
      [](Sound& s) { BlockOfPointer(s.large)->status = BlockStatus::kInside; });
  ExpectFound([](Sound& s) {
    BlockOfPointer(s.large)->status = BlockStatus::kArenaTable;
  });
}

TEST(CheckHeap, FindsAFreeRunThatIsInNoList) {
  // Its neighbours are in use.
  ExpectFound(
      [](Sound& s) { BlockOfPointer(s.full[0])->status = BlockStatus::kFree; });
}

TEST(CheckHeap, FindsTwoFreeRunsThatTouch) {
  ExpectFound([](Sound& s) {
    BlockHeader* run = BlockOfPointer(s.gap);
    const auto length = static_cast<uint16_t>(run->granules - 1);
    run->granules = run[length - 1].granules = length;
    run[length - 1].status = BlockStatus::kFree;
    run[length].status = BlockStatus::kFree;
    run[length].granules = 1;
  });
}

TEST(CheckHeap, FindsABlockInAListOfFreeRuns) {
  ExpectFound([](Sound& s) {
    BlockHeader* run = BlockOfPointer(s.gap);
    run->status = run[run->granules - 1].status = BlockStatus::kLarge;
  });
}

TEST(CheckHeap, FindsAWrongEndOfAFreeRun) {
  ExpectFound([](Sound& s) {
    BlockHeader* run = BlockOfPointer(s.gap);
    run[run->granules - 1].status = BlockStatus::kLarge;
  });
}

// ---- arenas and huge blocks ----

TEST(CheckHeap, FindsAWrongLimit) {
  ExpectFound(
      [](Sound& s) { ArenaHeaderOf(BlockOfPointer(s.large))->limit -= 1; });
  ExpectFound([](Sound& s) {
    ArenaHeaderOf(BlockOfPointer(s.large))->limit = kGranulesPerArena + 1;
  });
}

TEST(CheckHeap, FindsAnArenaThatIsNoneOrNotInTheMap) {
  ExpectFound([](Sound& s) {
    ArenaHeaderOf(BlockOfPointer(s.large))->status = BlockStatus::kNone;
  });
  ExpectFound([](Sound& s) {
    g_address_map.Set(reinterpret_cast<uintptr_t>(s.large), 1,
                      SlotKind::kForeign);
  });
}

TEST(CheckHeap, FindsALostArena) {
  ExpectFound([](Sound& s) {
    ArenaHeader* arena = ArenaHeaderOf(BlockOfPointer(s.large));
    // Whichever is first in the list points to the other ones.
    ArenaHeader* other = ArenaHeaderOf(BlockOfPointer(Allocate(7 * kMiB)));
    if (other == arena) {
      other = ArenaHeaderOf(BlockOfPointer(Allocate(7 * kMiB)));
    }
    ASSERT_NE(other, arena);
    CheckHeap();
    if (other->next == nullptr) other = arena;
    other->next = nullptr;
  });
}

TEST(CheckHeap, FindsAHugeBlockOfAnotherKind) {
  ExpectFound([](Sound& s) {
    ArenaHeaderOf(BlockOfPointer(s.huge))->kind = ArenaKind::kMapped;
  });
}

TEST(CheckHeap, FindsABrokenListOfHugeBlocks) {
  ExpectFound(
      [](Sound& s) { ArenaHeaderOf(BlockOfPointer(s.huge))->prev = nullptr; });
}

TEST(CheckHeap, FindsAHugeBlockOfAnotherSize) {
  ExpectFound([](Sound& s) {
    ArenaHeaderOf(BlockOfPointer(s.huge))->huge.mapped += kGranuleSize;
  });
  ExpectFound([](Sound& s) {
    ArenaHeaderOf(BlockOfPointer(s.huge))->huge.bytes += kGranuleSize;
  });
  ExpectFound(
      [](Sound& s) { ArenaHeaderOf(BlockOfPointer(s.huge))->huge.bytes -= 1; });
}

}  // namespace
}  // namespace memalloc
