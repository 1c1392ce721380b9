// One thread's heap: where cells come from, in which order, and when blocks
// wake, are kept and are given back.

#include "memalloc/heap/thread_heap.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kPage = 4096;
// Sizes whose blocks hold from 8 to 4096 cells.
constexpr size_t kSomeSizes[] = {16, 48, 64, 200, 1024, 5000, 8192, 65536};

std::set<void*> SetOf(const std::vector<void*>& cells) {
  return std::set<void*>(cells.begin(), cells.end());
}

// A blockful of cells of one block, and one more, so that the block is no
// longer the current one. All blocks of the class are used up before.
std::vector<void*> FillABlock(size_t size) {
  std::vector<void*> cells = AllocateMany(size, CellsPerBlock(size));
  for (void* cell : cells) {
    EXPECT_EQ(BlockOfPointer(cell), BlockOfPointer(cells[0]));
  }
  return cells;
}

// Fills the magazine of the size's class, if it has one, with cells of another
// thread's block: what is freed next goes where it belongs.
void FillMagazine(size_t size) {
  if (!Magazines::Has(SizeClassOf(size))) return;
  Worker worker;
  std::vector<void*> cells;
  worker.Do([&] { cells = AllocateMany(size, Magazine::kMaxCells); });
  FreeAll(cells);
}

// ---- the heap itself ----

CORE_TEST(ThreadHeap, IsMadeAtTheFirstNeed) {
  EXPECT_EQ(t_heap, &g_no_heap);
  Free(nullptr);
  EXPECT_EQ(t_heap, &g_no_heap);
  Free(Allocate(kMaxSmallSize + 1));
  EXPECT_EQ(t_heap, &g_no_heap) << "large blocks need none";
  void* cell = Allocate(0);
  EXPECT_NE(t_heap, &g_no_heap);
  EXPECT_EQ(OwnerOf(cell), t_heap);
  EXPECT_EQ(g_central_heap.Counts().thread_heaps, 1U);
}

CORE_TEST(ThreadHeap, EverySizeGetsARoomyAlignedCell) {
  for (size_t size = 0; size <= kMaxSmallSize;
       size += size < 2048 ? 1 : 1 + size / 64) {
    void* cell = Allocate(size);
    ASSERT_NE(cell, nullptr);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(cell) % kMinAlignment, 0U);
    ASSERT_EQ(UsableSize(cell), CellSize(SizeClassOf(size)));
    Fill(cell, UsableSize(cell), size);
    CheckHeap();
  }
}

// ---- carving ----

TEST(Carving, TouchesAPageAtATime) {
  for (const size_t size : kSomeSizes) {
    SCOPED_TRACE(size);
    RunInFreshProcess([size] {
      const size_t cell_size = CellSize(SizeClassOf(size));
      for (uint32_t i = 0; i < CellsPerBlock(size); ++i) {
        const auto cell = reinterpret_cast<uintptr_t>(Allocate(size));
        const BlockHeader* block = BlockOf(cell);
        // In the order of addresses.
        ASSERT_EQ(cell, BlockStart(block) + i * cell_size);
        ASSERT_GT(block->carved, i);
        const uintptr_t last =
            BlockStart(block) + (block->carved - 1U) * cell_size;
        ASSERT_LT(last, RoundUp(cell + 1, kPage)) << "cell " << i;
      }
    });
  }
}

// ---- the order of refills ----

CORE_TEST(Refill, TakesTheWholeFreeListOfTheCurrentBlock) {
  std::vector<void*> cells = AllocateMany(100, 20);
  const BlockHeader* block = BlockOfPointer(cells[0]);
  // Use up the bin, so that the next cells come from a refill.
  while (block->carved < 40) cells.push_back(Allocate(100));
  while (cells.size() < block->carved) cells.push_back(Allocate(100));
  const uint32_t carved = block->carved;
  const std::vector<void*> freed = {cells[3], cells[17], cells[5], cells[11]};
  FreeAll(freed);
  EXPECT_EQ(block->FreeCells(), 4U);
  void* next = Allocate(100);
  EXPECT_EQ(block->FreeCells(), 0U) << "taken whole";
  EXPECT_EQ(SetOf({next, Allocate(100), Allocate(100), Allocate(100)}),
            SetOf(freed));
  EXPECT_EQ(block->carved, carved) << "nothing was carved for them";
  Allocate(100);
  EXPECT_GT(block->carved, carved);
  EXPECT_EQ(BlocksInUse(), 2U) << "this one and the thread heaps'";
}

CORE_TEST(Refill, CarvesBeforeItTakesAnotherBlock) {
  constexpr size_t kSize = 1000;
  const std::vector<void*> first = FillABlock(kSize);
  AllocateMany(kSize, 1);
  // The first block becomes partial while the second is hardly carved.
  FreeAll(first);
  ASSERT_EQ(BlockOfPointer(first[0])->place, BlockPlace::kPartial);
  const uint32_t left = CellsPerBlock(kSize) - 1;
  for (uint32_t i = 0; i < left; ++i) {
    ASSERT_NE(BlockOfPointer(Allocate(kSize)), BlockOfPointer(first[0]));
  }
  EXPECT_EQ(BlockOfPointer(Allocate(kSize)), BlockOfPointer(first[0]))
      << "the partial block comes before a new one";
}

CORE_TEST(Refill, PartialThenOrphanThenNewBlock) {
  constexpr size_t kSize = 1000;
  const uint32_t cells_per_block = CellsPerBlock(kSize);
  // An orphan with room: what an ended thread left.
  void* left = nullptr;
  {
    Worker worker;
    worker.Do([&] { left = Allocate(kSize); });
    EndAndEmpty(worker);
  }
  BlockHeader* orphan = BlockOfPointer(left);
  ASSERT_EQ(orphan->owner.load(), nullptr);
  ASSERT_TRUE(orphan->IsOrphan());
  // The class's first block is the orphan: nothing is partial.
  const uint64_t blocks = BlocksInUse();
  void* cell = Allocate(kSize);
  EXPECT_EQ(BlockOfPointer(cell), orphan);
  EXPECT_EQ(orphan->owner.load(), t_heap);
  EXPECT_FALSE(orphan->IsOrphan());
  EXPECT_EQ(BlocksInUse(), blocks);
  AllocateMany(kSize, cells_per_block - 2);
  // Now a new block; then the orphan becomes partial and is next.
  std::vector<void*> second = FillABlock(kSize);
  EXPECT_NE(BlockOfPointer(second[0]), orphan);
  EXPECT_EQ(BlocksInUse(), blocks + 1);
  AllocateMany(kSize, 1);
  FreeAll(second);
  AllocateMany(kSize, cells_per_block - 1);
  EXPECT_EQ(BlockOfPointer(Allocate(kSize)), BlockOfPointer(second[0]));
  EXPECT_EQ(BlocksInUse(), blocks + 2);
}

// ---- full blocks wake ----

TEST(FullBlock, WakesAtAnEighth) {
  for (const size_t size : kSomeSizes) {
    SCOPED_TRACE(size);
    RunInFreshProcess([size] {
      const std::vector<void*> cells = FillABlock(size);
      AllocateMany(size, 1);
      BlockHeader* block = BlockOfPointer(cells[0]);
      ASSERT_EQ(block->owner.load(), nullptr) << "detached";
      FillMagazine(size);
      const uint32_t wake = Max(1U, CellsPerBlock(size) / 8);
      for (uint32_t i = 1; i <= wake; ++i) {
        Free(cells[i]);
        ASSERT_EQ(block->owner.load(), t_heap) << "claimed at the first free";
        ASSERT_EQ(block->FreeCells(), i);
        ASSERT_EQ(block->place,
                  i < wake ? BlockPlace::kWaiting : BlockPlace::kPartial)
            << i << " of " << wake;
        CheckHeap();
      }
    });
  }
}

CORE_TEST(FullBlock, IsNotRefilledFromBeforeItWakes) {
  constexpr size_t kSize = 64;
  const std::vector<void*> first = FillABlock(kSize);
  AllocateMany(kSize, 1);
  Free(first[0]);
  AllocateMany(kSize, CellsPerBlock(kSize) - 1);
  EXPECT_NE(BlockOfPointer(Allocate(kSize)), BlockOfPointer(first[0]));
}

// ---- empty blocks ----

TEST(EmptyBlock, IsGivenBackButForOne) {
  for (const size_t size : kSomeSizes) {
    SCOPED_TRACE(size);
    RunInFreshProcess([size] {
      std::vector<std::vector<void*>> blocks;
      for (int i = 0; i < 5; ++i) blocks.push_back(FillABlock(size));
      AllocateMany(size, 1);
      const uint64_t in_use = BlocksInUse();
      // The newest may have cells in the magazine.
      const uint64_t newest = Magazines::Has(SizeClassOf(size)) ? 1 : 0;
      uint64_t given_back = 0;
      for (const std::vector<void*>& cells : blocks) {
        const BlockHeader* block = BlockOfPointer(cells[0]);
        for (void* cell : cells) {
          ASSERT_EQ(block->status, BlockStatus::kSmall);
          Free(cell);
        }
        CheckHeap();
        if (&cells == &blocks[0]) {
          EXPECT_EQ(block->status, BlockStatus::kSmall) << "one is kept";
        } else {
          ++given_back;
        }
        ASSERT_GE(BlocksInUse(), in_use - given_back);
        ASSERT_LE(BlocksInUse(), in_use - given_back + newest);
      }
    });
  }
}

CORE_TEST(EmptyBlock, ALoopOverABlockfulLeavesTheCentralHeapAlone) {
  for (const size_t size : kSomeSizes) {
    const uint32_t count = CellsPerBlock(size) + 1;
    FreeAll(AllocateMany(size, count));
    const uint64_t blocks = BlocksInUse();
    for (int round = 0; round < 20; ++round) {
      const std::vector<void*> cells = AllocateMany(size, count);
      ASSERT_EQ(BlocksInUse(), blocks) << size;
      FreeAll(cells);
      ASSERT_EQ(BlocksInUse(), blocks) << size;
    }
    CheckHeap();
  }
}

// What a thread keeps that goes to sleep then: kept blocks, two where a class
// has both, and what magazines hold.
CORE_TEST(EmptyBlock, FewOfManyClassesAreKept) {
  std::vector<void*> cells;
  for (unsigned c = kFirstMagazineClass; c < kNumSizeClasses; ++c) {
    const size_t size = CellSize(static_cast<SizeClass>(c));
    const std::vector<void*> of_size =
        AllocateMany(size, 4 * CellsPerBlock(size));
    cells.insert(cells.end(), of_size.begin(), of_size.end());
  }
  std::shuffle(cells.begin(), cells.end(), std::mt19937_64(7));
  FreeAll(cells);
  CheckHeap();
  EXPECT_LE(g_central_heap.Counts().block_bytes, uint64_t{12} << 20);
}

CORE_TEST(EmptyBlock, TheCurrentOneStays) {
  const std::vector<void*> cells = AllocateMany(64, 10);
  FreeAll(cells);
  const BlockHeader* block = BlockOfPointer(cells[0]);
  EXPECT_EQ(block->status, BlockStatus::kSmall);
  EXPECT_EQ(block->place, BlockPlace::kCurrent);
  EXPECT_EQ(block->owner.load(), t_heap);
}

// Granules of an emptied block serve another class and large blocks.
CORE_TEST(EmptyBlock, ItsGranulesAreUsedAgain) {
  std::vector<void*> small = AllocateMany(64, 100 * CellsPerBlock(64));
  const uintptr_t top = fake_os::BreakNow();
  FreeAll(small);
  AllocateMany(8192, 90 * kGranuleSize / 8192);
  EXPECT_EQ(fake_os::BreakNow(), top);
}

// ---- everything at random ----

CORE_TEST(ThreadHeap, RandomOperationsKeepContentsApart) {
  std::mt19937_64 random(99);
  struct Live {
    size_t size;
    uint64_t seed;
  };
  std::map<char*, Live> live;
  size_t live_bytes = 0;
  for (int step = 0; step < 20000; ++step) {
    // Swings between some 100 KB and some MB.
    const bool grows = step / 2500 % 2 == 0;
    if (live.empty() || random() % 10 < (grows ? 7U : 3U)) {
      const size_t size = random() % (size_t{1} << (4 + random() % 10));
      auto* cell = static_cast<char*>(Allocate(size));
      ASSERT_NE(cell, nullptr);
      const auto after = live.lower_bound(cell);
      ASSERT_TRUE(after == live.end() || cell + size <= after->first);
      ASSERT_TRUE(after == live.begin() ||
                  std::prev(after)->first + std::prev(after)->second.size <=
                      cell);
      live[cell] = {size, random()};
      Fill(cell, size, live[cell].seed);
      live_bytes += size;
    } else {
      auto it = live.lower_bound(reinterpret_cast<char*>(
          reinterpret_cast<uintptr_t>(live.begin()->first) +
          random() % (4 * kArenaSize)));
      if (it == live.end()) it = live.begin();
      ASSERT_TRUE(HasPattern(it->first, it->second.size, it->second.seed));
      live_bytes -= it->second.size;
      Free(it->first);
      live.erase(it);
    }
    if (step % 8 == 0) CheckHeap();
  }
  EXPECT_GE(g_central_heap.Counts().live_bytes, live_bytes);
  for (const auto& [cell, what] : live) {
    ASSERT_TRUE(HasPattern(cell, what.size, what.seed));
    Free(cell);
  }
}

}  // namespace
}  // namespace memalloc
