// Magazines: medium cells that a thread freed come back to it first, whoever
// owns their blocks; few of them, and none is lost.

#include "memalloc/heap/magazine.h"

#include <string.h>

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

// Twelve cells a block, of which a magazine holds three.
constexpr size_t kSize = 5000;
constexpr size_t kRoom = 3;

// The cells of a block that has no owner, as all are handed out.
std::vector<void*> DetachedBlock() {
  std::vector<void*> cells = AllocateMany(kSize, CellsPerBlock(kSize));
  Allocate(kSize);
  EXPECT_EQ(OwnerOf(cells[0]), nullptr);
  return cells;
}

CORE_TEST(Magazine, TheNewestComesBackFirst) {
  std::vector<void*> cells = DetachedBlock();
  cells.resize(kRoom);
  FreeAll(cells);
  EXPECT_EQ(OwnerOf(cells[0]), nullptr) << "nobody had to claim the block";
  CheckHeap();
  std::reverse(cells.begin(), cells.end());
  EXPECT_EQ(AllocateMany(kSize, kRoom), cells);
  CheckHeap();
}

CORE_TEST(Magazine, HoldsNoMoreThanItsRoom) {
  const std::vector<void*> cells = DetachedBlock();
  for (size_t i = 0; i < cells.size(); ++i) {
    Free(cells[i]);
    EXPECT_EQ(OwnerOf(cells[0]), i < kRoom ? nullptr : t_heap) << i;
  }
  CheckHeap();
}

// The largest cells have no room, small cells have no magazine.
CORE_TEST(Magazine, IsForMediumCells) {
  EXPECT_FALSE(Magazines::Has(SizeClassOf(1024)));
  EXPECT_TRUE(Magazines::Has(SizeClassOf(1025)));
  const std::vector<void*> cells =
      AllocateMany(kMaxSmallSize, CellsPerBlock(kMaxSmallSize));
  Allocate(kMaxSmallSize);
  ASSERT_EQ(OwnerOf(cells[3]), nullptr);
  Free(cells[3]);
  EXPECT_EQ(OwnerOf(cells[3]), t_heap);
}

// A thread that frees and allocates only such cells passes no other slow path.
CORE_TEST(Magazine, WhoLivesOffItLooksAtTheClock) {
  const std::vector<void*> cells = DetachedBlock();
  const uint32_t ticks = g_central_heap.ticks();
  fake_os::PassTime(1000);
  for (int i = 0; i < 100 && g_central_heap.ticks() == ticks; ++i) {
    Free(cells[1]);
    if (g_central_heap.ticks() == ticks) {
      ASSERT_EQ(Allocate(kSize), cells[1]);
    }
  }
  EXPECT_EQ(g_central_heap.ticks(), ticks + 1);
}

CORE_TEST(Magazine, OtherThreadsCellsStayWithWhoFreedThem) {
  void* cell = Allocate(kSize);
  Fill(cell, kSize, 1);
  Worker worker;
  worker.Do([&] {
    Allocate(64);
    Free(cell);
    void* again = Allocate(kSize);
    EXPECT_EQ(again, cell);
    Fill(again, kSize, 2);
  });
  EXPECT_TRUE(HasPattern(cell, kSize, 2));
  EXPECT_EQ(OwnerOf(cell), t_heap);
  CheckHeap();
}

CORE_TEST(Magazine, ATrimEmptiesIt) {
  std::vector<void*> cells = AllocateMany(kSize, 3 * CellsPerBlock(kSize));
  FreeAll(cells);
  g_central_heap.GiveBack();
  CheckHeap();
  EXPECT_EQ(g_central_heap.Counts().live_bytes, 0U);
}

CORE_TEST(Magazine, TheEndOfItsThreadEmptiesIt) {
  const std::vector<void*> cells = DetachedBlock();
  Worker worker;
  worker.Do([&] {
    Allocate(64);
    for (size_t i = 0; i < kRoom; ++i) Free(cells[i]);
    EXPECT_EQ(OwnerOf(cells[0]), nullptr);
  });
  EndAndEmpty(worker);
  for (size_t i = kRoom; i < cells.size(); ++i) Free(cells[i]);
  g_central_heap.GiveBack();
  CheckHeap();
  EXPECT_EQ(BlockOfPointer(cells[0])->status, BlockStatus::kFree);
}

TEST(MagazineErrors, DoubleFree) {
  RunUntilAbort([] {
    const std::vector<void*> cells = DetachedBlock();
    Free(cells[2]);
    Free(cells[1]);
    ExpectMisuse("free", cells[2], "double free", "double-free");
    Free(cells[2]);
  });
}

TEST(MagazineErrors, WriteAfterFree) {
  RunUntilAbort([] {
    const std::vector<void*> cells = DetachedBlock();
    Free(cells[2]);
    memset(cells[2], 'A', 8);
    ExpectMisuse("malloc", cells[2],
                 "a free cell was written to (its link is overwritten)",
                 "write-after-free");
    Allocate(kSize);
  });
}

}  // namespace
}  // namespace memalloc
