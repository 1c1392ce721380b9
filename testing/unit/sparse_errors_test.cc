// What is noticed of misuse, and of damage, in blocks with purged pages: a
// purged cell has no tag any more by which a second free could tell.

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/arena.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using ::testing::MatchesRegex;

constexpr size_t kSize = 64;

// A block of which the first and the last cell are in use and whose inner pages
// were purged; this thread owns it.
struct Block {
  std::vector<void*> cells = AllocateMany(kSize, CellsPerBlock(kSize));
  BlockHeader* header = BlockOfPointer(cells[0]);

  Block() {
    Allocate(kSize);
    for (size_t i = 2; i + 1 < cells.size(); ++i) Free(cells[i]);
    g_central_heap.Trim(SIZE_MAX / 2);
    Free(cells[1]);
    CheckHeap();
    EXPECT_GT(header->purged_cells, 0U);
    EXPECT_EQ(header->owner.load(), t_heap);
  }

  // One whose page went.
  void* purged() const { return cells[cells.size() / 2]; }

  // Asks for cells until all of the block's are in use.
  void UseUp() const {
    while (header->purged_cells > 0) Allocate(kSize);
  }
};

void Announce(const char* call, const void* pointer, const char* what,
              const char* anchor) {
  LineBuffer line;
  line.Text("memalloc: ").Text(call).Char('(').Pointer(pointer).Text("): ");
  line.Text(what).Text("; see docs/errors.md#").Text(anchor);
  ExpectLastLine(std::string(line.data(), line.size()));
}

TEST(SparseErrors, ADoubleFreeIsSeenWhenPagesGoAgain) {
  RunUntilAbort([] {
    const Block block;
    Announce("free", block.purged(), "double free", "double-free");
    Free(block.purged());
    g_central_heap.Trim(SIZE_MAX / 2);
  });
}

TEST(SparseErrors, ADoubleFreeIsSeenWhenTheBlockSeemsEmpty) {
  RunUntilAbort([] {
    const Block block;
    Announce("free", block.purged(), "double free", "double-free");
    Free(block.purged());
    Free(block.cells[0]);
    t_heap->ReleaseEmptyBlocks();
  });
}

TEST(SparseErrors, ADoubleFreeIsSeenWhenThePageIsWanted) {
  RunUntilAbort([] {
    const Block block;
    Announce("free", block.purged(), "double free", "double-free");
    // In another thread's hands: this one's list does not have it.
    Worker worker;
    worker.Do([&] {
      Allocate(1);
      Free(block.purged());
    });
    block.UseUp();
  });
}

TEST(SparseErrors, AWriteIsSeenWhenThePageIsWanted) {
  RunUntilAbort([] {
    const Block block;
    Announce("malloc", block.purged(),
             "a free cell was written to (its link is overwritten)",
             "write-after-free");
    *static_cast<uint64_t*>(block.purged()) = 1;
    block.UseUp();
  });
}

TEST(SparseErrors, AnOverwrittenLinkIsSeenWhenPagesGo) {
  RunUntilAbort([] {
    const Block block;
    Announce("malloc", block.cells[1],
             "a free cell was written to (its link is overwritten)",
             "write-after-free");
    *static_cast<uint64_t*>(block.cells[1]) = 1;
    g_central_heap.Trim(SIZE_MAX / 2);
  });
}

TEST(SparseErrors, ACellBetweenTheCellsIsSeenWhenPagesGo) {
  RunUntilAbort([] {
    const Block block;
    char* inside = static_cast<char*>(block.cells[0]) + 16;
    *reinterpret_cast<uint64_t*>(inside) = 0;
    Announce("malloc", inside,
             "not the start of an allocation, but it was freed",
             "interior-pointer");
    Free(inside);
    g_central_heap.Trim(SIZE_MAX / 2);
  });
}

// ---- the walker ----

void ExpectFound(const std::function<void(const Block&)>& damage) {
  const std::string output = OutputUntilAbort([&] {
    const Block block;
    damage(block);
    CheckHeap();
  });
  EXPECT_THAT(output, MatchesRegex("memalloc: heap\\(0x[0-9a-f]+\\): .*; see "
                                   "docs/errors\\.md#heap-corruption\n"));
}

PurgedPages* MarksOf(const Block& block) {
  return ArenaHeaderOf(block.header)->Purged(GranuleOf(block.header));
}

TEST(SparseErrors, CheckHeapFindsAMarkTooManyOrTooFew) {
  ExpectFound([](const Block& block) { *MarksOf(block) &= 0xfdff; });
  ExpectFound([](const Block& block) { *MarksOf(block) |= 1; });
}

TEST(SparseErrors, CheckHeapFindsAWrongCountOfPurgedCells) {
  ExpectFound([](const Block& block) { block.header->purged_cells += 1; });
  ExpectFound([](const Block& block) { block.header->purged_cells -= 1; });
}

TEST(SparseErrors, CheckHeapFindsAPurgedCellThatWasWrittenTo) {
  ExpectFound(
      [](const Block& block) { *static_cast<uint64_t*>(block.purged()) = 1; });
}

TEST(SparseErrors, CheckHeapFindsAPurgedCellInTheList) {
  ExpectFound([](const Block& block) { Free(block.purged()); });
}

}  // namespace
}  // namespace memalloc
