// What the allocator says when it is misused, word for word: the lines are an
// interface (docs/errors.md). Each case in a process that ends by abort().

#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;

void ExpectDoubleFree(const void* pointer) {
  ExpectMisuse("free", pointer, "double free", "double-free");
}
void ExpectNoAllocation(const void* pointer) {
  ExpectMisuse("free", pointer, "no allocation stands here (freed before?)",
               "no-allocation");
}
void ExpectForeign(const char* call, const void* pointer) {
  ExpectMisuse(call, pointer, "not a pointer from memalloc", "foreign-pointer");
}
void ExpectInterior(const char* call, const void* pointer) {
  ExpectMisuse(call, pointer, "not the start of an allocation",
               "interior-pointer");
}
void ExpectOverwrittenLink(const void* pointer) {
  ExpectMisuse("malloc", pointer,
               "a free cell was written to (its link is overwritten)",
               "write-after-free");
}

char* At(void* block, size_t offset) {
  return static_cast<char*>(block) + offset;
}

// ---- double free ----

TEST(DoubleFree, AtOnce) {
  for (const size_t size : {1UL, 16UL, 64UL, 1000UL, 30000UL, kMaxSmallSize}) {
    SCOPED_TRACE(size);
    RunUntilAbort([size] {
      void* cell = Allocate(size);
      Free(cell);
      ExpectDoubleFree(cell);
      Free(cell);
    });
  }
}

TEST(DoubleFree, AfterOtherFrees) {
  RunUntilAbort([] {
    const std::vector<void*> cells = AllocateMany(64, 100);
    FreeAll(cells);
    ExpectDoubleFree(cells[50]);
    Free(cells[50]);
  });
}

TEST(DoubleFree, OfACellThatIsInTheBinByNow) {
  RunUntilAbort([] {
    std::vector<void*> cells = AllocateMany(5000, 8);
    const BlockHeader* block = BlockOfPointer(cells[0]);
    while (block->carved > cells.size()) cells.push_back(Allocate(5000));
    Free(cells[3]);
    Free(cells[4]);
    ASSERT_NE(Allocate(5000), nullptr);  // takes the list
    ASSERT_EQ(block->FreeCells(), 0U);
    ExpectDoubleFree(cells[3]);
    Free(cells[3]);
  });
}

TEST(DoubleFree, OfAWrittenToCellIsStillSeenIfItsFirstWordIsWhole) {
  RunUntilAbort([] {
    void* cell = Allocate(64);
    Free(cell);
    memset(At(cell, sizeof(FreeCell)), 1, 64 - sizeof(FreeCell));
    ExpectDoubleFree(cell);
    Free(cell);
  });
}

// Freed by another thread, on its way to the owner; freed by both.
TEST(DoubleFree, ByTwoThreads) {
  RunUntilAbort([] {
    void* cell = Allocate(64);
    Worker worker;
    worker.Do([&] {
      Allocate(64);
      Free(cell);
    });
    ExpectDoubleFree(cell);
    Free(cell);
  });
}

TEST(DoubleFree, ByAThreadWithoutAHeap) {
  RunUntilAbort([] {
    void* cell = Allocate(64);
    Worker worker;
    worker.Do([&] {
      Free(cell);
      ExpectDoubleFree(cell);
      Free(cell);
    });
  });
}

TEST(DoubleFree, WithinABatch) {
  RunUntilAbort([] {
    const std::vector<void*> cells = AllocateMany(64, 30);
    Worker worker;
    worker.Do([&] {
      Allocate(64);
      FreeAll(cells);
      ExpectDoubleFree(cells[7]);
      Free(cells[7]);
    });
  });
}

TEST(DoubleFree, OfALargeBlock) {
  RunUntilAbort([] {
    void* block = Allocate(kMiB);
    Free(block);
    ExpectNoAllocation(block);
    Free(block);
  });
}

TEST(DoubleFree, OfAHugeBlockThatIsKeptForTheNext) {
  RunUntilAbort([] {
    void* block = Allocate(20 * kMiB);
    Free(block);
    ExpectNoAllocation(block);
    Free(block);
  });
}

TEST(DoubleFree, OfAHugeBlockThatIsGone) {
  RunUntilAbort([] {
    void* block = Allocate(500 * kMiB);
    Free(block);
    ExpectForeign("free", block);
    Free(block);
  });
}

TEST(DoubleFree, OfACellWhoseBlockIsGone) {
  RunUntilAbort([] {
    const std::vector<void*> cells = AllocateMany(8192, 40);
    FreeAll(cells);
    // The first block is kept, the second was given back.
    ASSERT_EQ(BlockOfPointer(cells[8])->status, BlockStatus::kFree);
    ExpectNoAllocation(cells[8]);
    Free(cells[8]);
  });
}

// ---- pointers that malloc did not return ----

TEST(ForeignPointer, IsNamed) {
  static int in_data;
  const std::vector<std::function<void*()>> pointers = {
      [] { return static_cast<void*>(&in_data); },
      [] { return reinterpret_cast<void*>(1); },
      [] { return reinterpret_cast<void*>(0x123450); },
      [] { return reinterpret_cast<void*>(kArenaSize); },
      [] { return reinterpret_cast<void*>(fake_os::ForeignSbrk(4096)); },
      [] { return reinterpret_cast<void*>(fake_os::BreakNow() + 1); },
  };
  for (size_t i = 0; i < pointers.size(); ++i) {
    SCOPED_TRACE(i);
    for (const bool in_use : {false, true}) {
      RunUntilAbort([&] {
        // In an empty heap, and beside arenas.
        void* foreign = pointers[i]();
        if (in_use) Allocate(100);
        ExpectForeign("free", foreign);
        Free(foreign);
      });
    }
  }
}

TEST(ForeignPointer, OfThisStack) {
  RunUntilAbort([] {
    Allocate(100);
    alignas(16) char on_stack[64] = {};
    ExpectForeign("free", on_stack);
    Free(on_stack);
  });
}

TEST(ForeignPointer, InOtherCalls) {
  static int in_data;
  RunUntilAbort([] {
    ExpectForeign("realloc", &in_data);
    Reallocate(&in_data, 100);
  });
  RunUntilAbort([] {
    ExpectForeign("malloc_usable_size", &in_data);
    UsableSize(&in_data);
  });
}

// What others took of the break inside an arena of ours.
TEST(ForeignPointer, InAGapOfAnArena) {
  RunUntilAbort([] {
    void* before = Allocate(100);
    const uintptr_t gap = fake_os::ForeignSbrk(4 * kGranuleSize);
    void* behind = Allocate(4 * kMiB);
    ASSERT_EQ(ArenaOf(reinterpret_cast<uintptr_t>(before)),
              ArenaOf(reinterpret_cast<uintptr_t>(behind)));
    void* pointer = reinterpret_cast<void*>(gap + kGranuleSize);
    EXPECT_FALSE(Owns(pointer));
    ExpectNoAllocation(pointer);
    Free(pointer);
  });
}

TEST(InteriorPointer, IsNamed) {
  struct Case {
    size_t size;
    size_t offset;
  };
  for (const Case& c : {Case{kMiB, 16}, Case{kMiB, kGranuleSize - 1},
                        Case{20 * kMiB, 16}, Case{40 * kMiB, 33 * kMiB}}) {
    SCOPED_TRACE(testing::Message() << c.size << " + " << c.offset);
    RunUntilAbort([&] {
      char* pointer = At(Allocate(c.size), c.offset);
      ExpectInterior("free", pointer);
      Free(pointer);
    });
  }
}

// The fast path, for the own thread's cells, does not look.
TEST(InteriorPointer, OfAnotherThreadsCell) {
  for (const size_t offset : {1, 8, 16, 48}) {
    RunUntilAbort([offset] {
      char* pointer = At(Allocate(64), offset);
      Worker worker;
      worker.Do([pointer] {
        ExpectInterior("free", pointer);
        Free(pointer);
      });
    });
  }
}

// It joins no batch either.
TEST(InteriorPointer, OfABlockWithAnOpenBatch) {
  for (const size_t offset : {1, 8, 16, 48}) {
    RunUntilAbort([offset] {
      const std::vector<void*> cells = AllocateMany(64, 2);
      Worker worker;
      worker.Do([&] {
        Allocate(64);
        Free(cells[0]);
        ExpectInterior("free", At(cells[1], offset));
        Free(At(cells[1], offset));
      });
    });
  }
}

// A refill looks where the list begins, and where each link of it leads that
// leaves the 64 KiB.
TEST(InteriorPointer, OfAnOwnCellThatWasFreedLast) {
  RunUntilAbort([] {
    char* pointer = At(Allocate(64), 32);
    Free(pointer);
    ExpectMisuse("malloc", pointer,
                 "not the start of an allocation, but it was freed",
                 "interior-pointer");
    AllocateMany(64, CellsPerBlock(64));
  });
}

// The fast path of free does not look; the cell is not handed out again.
TEST(InteriorPointer, OfAnOwnCellIsSeenLater) {
  for (const size_t offset : {1, 8}) {
    for (const bool among_others : {false, true}) {
      SCOPED_TRACE(testing::Message() << offset << ", " << among_others);
      RunUntilAbort([&] {
        const std::vector<void*> cells = AllocateMany(64, 20);
        if (among_others) Free(cells[2]);
        Free(At(cells[5], offset));
        if (among_others) Free(cells[7]);
        ExpectMisuse("malloc", At(cells[5], offset),
                     "not the start of an allocation, but it was freed",
                     "interior-pointer");
        AllocateMany(64, CellsPerBlock(64));
      });
    }
  }
}

TEST(InteriorPointer, OfABlockAlignedToItsArena) {
  RunUntilAbort([] {
    void* block = AllocateAligned(20 * kMiB, 32 * kMiB);
    ExpectInterior("free", At(block, 4096));
    Free(At(block, 4096));
  });
  // The header's place in the block's own slot lies behind a small block.
  RunUntilAbort([] {
    void* block = AllocateAligned(100, kArenaSize);
    ExpectInterior("free", At(block, 16));
    Free(At(block, 16));
  });
}

TEST(InteriorPointer, InOtherCalls) {
  for (const size_t offset : {4, 16, 80}) {
    RunUntilAbort([offset] {
      char* pointer = At(Allocate(96), offset);
      ExpectInterior("realloc", pointer);
      Reallocate(pointer, 96);
    });
    RunUntilAbort([offset] {
      char* pointer = At(Allocate(96), offset);
      ExpectInterior("malloc_usable_size", pointer);
      UsableSize(pointer);
    });
  }
  RunUntilAbort([] {
    char* pointer = At(Allocate(kMiB), 32);
    ExpectInterior("malloc_usable_size", pointer);
    UsableSize(pointer);
  });
}

TEST(NoAllocation, InFreeGranulesAndTables) {
  RunUntilAbort([] {
    char* cell = static_cast<char*>(Allocate(64));
    // Above all blocks, in what the arena has in reserve.
    char* free_granule = cell + 10 * kGranuleSize;
    ExpectNoAllocation(free_granule);
    Free(free_granule);
  });
  RunUntilAbort([] {
    auto arena = ArenaOf(reinterpret_cast<uintptr_t>(Allocate(64)));
    ExpectNoAllocation(reinterpret_cast<void*>(arena));
    Free(reinterpret_cast<void*>(arena));
  });
}

// ---- use after free ----

TEST(Realloc, OfAFreeCell) {
  RunUntilAbort([] {
    void* cell = Allocate(64);
    Free(cell);
    ExpectMisuse("realloc", cell, "the cell is free", "double-free");
    Reallocate(cell, 64);
  });
}

TEST(UsableSize, OfAFreeCell) {
  RunUntilAbort([] {
    void* cell = Allocate(64);
    Free(cell);
    ExpectMisuse("malloc_usable_size", cell, "the cell is free", "double-free");
    UsableSize(cell);
  });
}

TEST(OverwrittenLink, IsSeenBeforeItIsFollowed) {
  const uintptr_t values[] = {0, 1, 0x4141414141414141, UINTPTR_MAX};
  for (const uintptr_t value : values) {
    SCOPED_TRACE(value);
    RunUntilAbort([&] {
      const std::vector<void*> cells = AllocateMany(64, 10);
      FreeAll(cells);
      auto* last_freed = static_cast<uintptr_t*>(cells[9]);
      *last_freed = value;
      // Its turn comes when the bin is filled from the block's list.
      ExpectOverwrittenLink(last_freed);
      AllocateMany(64, 100);
    });
  }
}

TEST(OverwrittenLink, ToACellOfAnotherBlock) {
  RunUntilAbort([] {
    const std::vector<void*> cells = AllocateMany(64, 10);
    void* other = Allocate(5000);
    FreeAll(cells);
    memcpy(cells[9], &other, sizeof(other));
    ExpectOverwrittenLink(cells[9]);
    AllocateMany(64, 100);
  });
}

TEST(OverwrittenLink, InABlockOfManyGranules) {
  RunUntilAbort([] {
    const std::vector<void*> cells = AllocateMany(50000, 8);
    Free(cells[1]);
    Free(cells[6]);
    *static_cast<uintptr_t*>(cells[6]) ^= uintptr_t{1} << 30;
    ExpectOverwrittenLink(cells[6]);
    AllocateMany(50000, 2);
  });
}

// Freed by another thread, written to on its way to the owner. What leads to
// the rest of such a batch stands in the cell that was freed first.
TEST(OverwrittenLink, OnItsWayBetweenThreads) {
  for (const size_t word : {0, 1}) {
    SCOPED_TRACE(word);
    RunUntilAbort([word] {
      const std::vector<void*> cells = AllocateMany(64, 20);
      Worker worker;
      worker.Do([&] {
        Allocate(64);
        FreeAll(cells);
      });
      worker.End();
      static_cast<uintptr_t*>(cells[0])[word] = 0x4141414141414141;
      ExpectOverwrittenLink(cells[0]);
      AllocateMany(5000, 100);
    });
  }
}

TEST(OverwrittenLink, InTheBinOfAThreadThatEnds) {
  RunUntilAbort([] {
    Worker worker;
    worker.Do([] {
      auto* cell = static_cast<char*>(Allocate(64));
      // The cell after next: it waits in the bin.
      auto* waiting = reinterpret_cast<uintptr_t*>(cell + 2 * 64);
      *waiting = 0x4141414141414141;
      ExpectOverwrittenLink(waiting);
    });
    EndAndEmpty(worker);
  });
}

TEST(OverwrittenLink, SeenByAThreadWithoutAHeap) {
  RunUntilAbort([] {
    std::vector<void*> cells;
    Worker worker;
    worker.Do([&] {
      cells = AllocateMany(64, 20);
      FreeAll({cells[3], cells[4]});
    });
    EndAndEmpty(worker);
    ASSERT_TRUE(BlockOfPointer(cells[0])->IsOrphan());
    auto* first = CellAt(BlockOfPointer(cells[0])->free_list);
    first->link = 0x4141414141414141;
    ExpectOverwrittenLink(first);
    g_central_heap.AllocateCell(SizeClassOf(64));
  });
}

// A batch of no cells is none that a thread made.
TEST(OverwrittenLink, ToABatchOfNoCells) {
  RunUntilAbort([] {
    const std::vector<void*> cells = AllocateMany(64, 20);
    Worker worker;
    worker.Do([&] {
      Allocate(64);
      FreeAll(cells);
    });
    worker.End();
    FreeCell* anchor = CellAt(reinterpret_cast<uintptr_t>(cells[0]));
    Batch::At(AddressOf(anchor))->Seal(BlockOfPointer(anchor), anchor, 0);
    ExpectOverwrittenLink(anchor);
    AllocateMany(5000, 100);
  });
}

// ---- re-entry ----

// A signal handler that calls malloc inside of malloc is told so.
TEST(Reentry, IsNamed) {
  RunUntilAbort([] {
    fake_os::Before(fake_os::Call::kGrowBreak, [] { Allocate(100); });
    ExpectLastLine(
        "memalloc: malloc or free was called again by the thread that is "
        "inside it (from a signal handler?); see docs/errors.md#reentry");
    Allocate(100);
  });
}

}  // namespace
}  // namespace memalloc
