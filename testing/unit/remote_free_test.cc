// Frees of cells that another thread's heap owns, or nobody: detached blocks
// and their claim, batches, inboxes, and cells whose block changed hands while
// they were on their way. Threads take turns here; concurrent_test.cc lets them
// run.

#include <memory>
#include <random>
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
constexpr size_t kSize = 64;

// A slow path of malloc, in a class that no test uses otherwise: there the
// inbox is drained.
void TakeASlowPath() {
  // The second cell of an eight-cell block: each of them is a refill.
  Free(Allocate(40000));
  Free(Allocate(40000));
}

// ---- detached blocks ----

CORE_TEST(DetachedBlock, BelongsToNobody) {
  const std::vector<void*> cells = AllocateMany(kSize, CellsPerBlock(kSize));
  EXPECT_EQ(OwnerOf(cells[0]), t_heap) << "the current block";
  Allocate(kSize);
  EXPECT_EQ(OwnerOf(cells[0]), nullptr);
  CheckHeap();
}

CORE_TEST(DetachedBlock, IsClaimedByTheFirstThreadThatFrees) {
  const std::vector<void*> cells = AllocateMany(kSize, CellsPerBlock(kSize));
  Allocate(kSize);
  BlockHeader* block = BlockOfPointer(cells[0]);
  Worker worker;
  ThreadHeap* its_heap = nullptr;
  worker.Do([&] {
    EXPECT_EQ(t_heap, &g_no_heap);
    Free(cells[0]);
    its_heap = t_heap;
    CheckHeap();
  });
  EXPECT_NE(its_heap, &g_no_heap) << "a heap is made for the claim";
  EXPECT_EQ(block->owner.load(), its_heap);
  EXPECT_EQ(block->FreeCells(), 1U);
  worker.Do([&] {
    for (size_t i = 1; i < cells.size() - 1; ++i) Free(cells[i]);
    EXPECT_EQ(block->FreeCells(), cells.size() - 1) << "all frees are local";
    // And so is what it allocates.
    const std::vector<void*> reused = AllocateMany(kSize, cells.size() - 1);
    for (void* cell : reused) ASSERT_EQ(BlockOfPointer(cell), block);
    CheckHeap();
  });
}

// A thread that frees nearly all that another one allocates ends with many
// blocks, each with room. They serve the thread that allocates.
CORE_TEST(DetachedBlock, RoomInBlocksOfAThreadThatOnlyFreesIsUsed) {
  constexpr size_t kRounds = 200;
  Worker consumer;
  std::vector<void*> before = AllocateMany(kSize, CellsPerBlock(kSize));
  std::vector<void*> kept;
  for (size_t i = 0; i < kRounds; ++i) {
    const auto more = AllocateMany(kSize, CellsPerBlock(kSize));
    kept.push_back(before.back());
    before.pop_back();
    consumer.Do([&] { FreeAll(before); });
    before = more;
  }
  CheckHeap();
  EXPECT_LT(g_central_heap.Counts().blocks, 20U);
  consumer.Do([&] {
    FreeAll(kept);
    CheckHeap();
  });
}

CORE_TEST(DetachedBlock, FreesOfOthersGoToTheClaimer) {
  const std::vector<void*> cells = AllocateMany(kSize, CellsPerBlock(kSize));
  Allocate(kSize);
  BlockHeader* block = BlockOfPointer(cells[0]);
  Worker worker;
  worker.Do([&] { Free(cells[0]); });
  for (size_t i = 1; i <= 300; ++i) Free(cells[i]);
  worker.Do([&] {
    TakeASlowPath();
    CheckHeap();
  });
  EXPECT_GE(block->FreeCells(), 200U) << "in batches";
  EXPECT_LE(block->FreeCells(), 301U);
}

// ---- batches and inboxes ----

CORE_TEST(Batches, ReachTheOwnerInItsSlowPath) {
  const std::vector<void*> cells = AllocateMany(kSize, 500);
  BlockHeader* block = BlockOfPointer(cells[0]);
  Worker worker;
  worker.Do([&] {
    Allocate(kSize);
    for (size_t i = 0; i < 300; ++i) Free(cells[i]);
  });
  EXPECT_EQ(OwnerOf(cells[0]), t_heap);
  EXPECT_EQ(block->FreeCells(), 0U) << "nobody but the owner writes there";
  TakeASlowPath();
  EXPECT_GE(block->FreeCells(), 200U) << "but for the batch in the making";
  worker.End();
  TakeASlowPath();
  EXPECT_EQ(block->FreeCells(), 300U) << "a thread that ends sends the rest";
  CheckHeap();
}

CORE_TEST(Batches, FewLargeCellsAreSentToo) {
  const std::vector<void*> cells = AllocateMany(30000, 7);
  BlockHeader* block = BlockOfPointer(cells[0]);
  Worker worker;
  worker.Do([&] {
    Allocate(kSize);
    for (size_t i = 0; i < 4; ++i) Free(cells[i]);
  });
  TakeASlowPath();
  EXPECT_GE(block->FreeCells(), 3U);
}

// Of many blocks in turn, each batch for one block.
CORE_TEST(Batches, CellsOfManyBlocksInTurn) {
  constexpr size_t kBlocks = 40;
  Allocate(50000);  // without a heap cells go singly
  std::vector<std::vector<void*>> cells;
  Worker owner;
  owner.Do([&] {
    for (size_t i = 0; i < kBlocks; ++i) {
      // Its own block each: other classes.
      cells.push_back(AllocateMany(CellSize(static_cast<SizeClass>(i)), 30));
    }
  });
  for (size_t c = 0; c < 30; ++c) {
    for (size_t i = 0; i < kBlocks; ++i) {
      ASSERT_EQ(BlockOfPointer(cells[i][c])->FreeCells(), 0U);
      Free(cells[i][c]);
    }
    CheckHeap();
  }
  t_heap->Flush();
  owner.Do([&] {
    TakeASlowPath();
    CheckHeap();
    size_t arrived = 0;
    for (const auto& of_block : cells) {
      arrived += BlockOfPointer(of_block[0])->FreeCells();
    }
    EXPECT_EQ(arrived, kBlocks * 30);
  });
}

// Threads that never allocate.
CORE_TEST(ThreadThatOnlyFrees, NeedsNoHeapForCellsOfOwnedBlocks) {
  const std::vector<void*> cells = AllocateMany(kSize, 10);
  void* large = Allocate(kMiB);
  void* huge = Allocate(10 * kMiB);
  Worker worker;
  worker.Do([&] {
    FreeAll(cells);
    Free(large);
    Free(huge);
    EXPECT_EQ(t_heap, &g_no_heap);
  });
  TakeASlowPath();
  EXPECT_EQ(BlockOfPointer(cells[0])->FreeCells(), 10U) << "one by one";
  CheckHeap();
}

CORE_TEST(ThreadThatOnlyFrees, DoesNotPileUpMemory) {
  Worker consumer;
  uint64_t bound = 0;
  for (int round = 0; round < 200; ++round) {
    const std::vector<void*> cells = AllocateMany(100, 3000);
    consumer.Do([&] {
      FreeAll(cells);
      CheckHeap();
    });
    CheckHeap();
    if (round == 50) bound = g_central_heap.Counts().backed_bytes;
  }
  EXPECT_LE(g_central_heap.Counts().backed_bytes, bound);
}

// The consumer owns the blocks by its first free, and the producer frees into
// them too: the consumer's inbox fills although it has no slow path of malloc.
CORE_TEST(ThreadThatOnlyFrees, DrainsItsInbox) {
  Worker consumer;
  uint64_t bound = 0;
  for (int round = 0; round < 200; ++round) {
    const std::vector<void*> cells = AllocateMany(100, 6000);
    consumer.Do([&] {
      for (size_t i = 0; i < cells.size(); i += 2) Free(cells[i]);
    });
    for (size_t i = 1; i < cells.size(); i += 2) Free(cells[i]);
    CheckHeap();
    if (round == 20) bound = g_central_heap.Counts().backed_bytes;
  }
  EXPECT_LE(g_central_heap.Counts().backed_bytes, 2 * bound);
}

// ---- blocks that change hands ----

// Of a class whose open batches take the place of those of kSize.
constexpr size_t kPushing = 1536;

// 100 cells of `owner`, the first 20 of them in an outbox of `sender` for it: a
// cell of that owner as well drives their batch out; others fill the magazine.
std::vector<void*> SendOff(Worker& owner, Worker& sender) {
  EXPECT_EQ((SizeClassOf(kPushing) - SizeClassOf(kSize)) % 32, 0);
  std::vector<void*> cells;
  std::vector<void*> pushing;
  owner.Do([&] {
    cells = AllocateMany(kSize, 100);
    pushing = AllocateMany(kPushing, Magazine::kMaxCells + 1);
  });
  sender.Do([&] {
    Allocate(kSize);
    FreeAll({cells.begin(), cells.begin() + 20});
    FreeAll(pushing);
  });
  return cells;
}

// A batch is on its way to the heap that owned the block when the batch was
// made; the block is claimed by a third thread meanwhile.
CORE_TEST(ChangedHands, CellsAreRoutedOn) {
  Worker first;   // owns the block, then uses it up
  Worker sender;  // holds a batch for the first
  Worker second;  // claims the block
  std::vector<void*> cells = SendOff(first, sender);
  BlockHeader* block = BlockOfPointer(cells[0]);
  first.Do([&] {
    while (block->owner.load() == t_heap) cells.push_back(Allocate(kSize));
    cells.pop_back();
  });
  ASSERT_EQ(block->owner.load(), nullptr);
  ASSERT_EQ(cells.size(), CellsPerBlock(kSize));
  ThreadHeap* claimer = nullptr;
  second.Do([&] {
    Free(cells[20]);
    claimer = t_heap;
  });
  ASSERT_EQ(block->owner.load(), claimer);
  sender.End();  // what it holds arrives at the first
  second.Do([&] {
    TakeASlowPath();
    EXPECT_EQ(block->FreeCells(), 1U) << "and not at the second";
  });
  first.Do([] {
    TakeASlowPath();
    CheckHeap();
  });
  EndAndEmpty(first);  // passes it on to the second
  second.Do([&] {
    TakeASlowPath();
    CheckHeap();
    EXPECT_EQ(block->FreeCells(), 21U);
    for (size_t i = 21; i < cells.size(); ++i) Free(cells[i]);
    EXPECT_EQ(block->FreeCells(), cells.size()) << "empty: nothing is missing";
  });
}

// The same with a first owner that has ended when the batch is sent: the inbox
// is closed, the cells are routed anew.
CORE_TEST(ChangedHands, AClosedInboxIsNoticed) {
  Worker owner;
  Worker sender;
  const std::vector<void*> cells = SendOff(owner, sender);
  BlockHeader* block = BlockOfPointer(cells[0]);
  EndAndEmpty(owner);
  ASSERT_EQ(block->owner.load(), nullptr);
  ASSERT_TRUE(block->IsOrphan());
  sender.Do([&] {
    for (size_t i = 20; i < 100; ++i) Free(cells[i]);
    CheckHeap();
    EXPECT_EQ(block->owner.load(), t_heap) << "claimed";
    EXPECT_EQ(block->UsedCells(), 20U) << "still in an outbox";
  });
  sender.End();
  EmptyParkedHeaps();
  CheckHeap();
  EXPECT_NE(block->status, BlockStatus::kSmall) << "empty, and given back";
}

// The owner's heap serves another thread when the batch arrives.
CORE_TEST(ChangedHands, AHeapThatServesAnotherThreadRoutesOn) {
  Worker owner;
  Worker sender;
  const std::vector<void*> cells = SendOff(owner, sender);
  BlockHeader* block = BlockOfPointer(cells[0]);
  const ThreadHeap* heap = block->owner.load();
  EndAndEmpty(owner);
  // New threads until one gets that heap.
  std::vector<std::unique_ptr<Worker>> workers;
  bool found = false;
  while (!found) {
    ASSERT_LE(workers.size(), 100U);
    workers.push_back(std::make_unique<Worker>());
    workers.back()->Do([&] {
      Allocate(5000);
      found = t_heap == heap;
    });
  }
  sender.End();
  ASSERT_EQ(block->owner.load(), nullptr);
  EXPECT_EQ(block->UsedCells(), 100U) << "on their way";
  workers.back()->Do([&] {
    TakeASlowPath();
    EXPECT_EQ(block->owner.load(), heap);
    EXPECT_EQ(block->UsedCells(), 80U);
    CheckHeap();
    for (size_t i = 20; i < 100; ++i) Free(cells[i]);
    CheckHeap();
  });
  workers.clear();
  EmptyParkedHeaps();
  CheckHeap();
  EXPECT_NE(block->status, BlockStatus::kSmall) << "empty, and given back";
}

// ---- everything at random, in turns ----

CORE_TEST(RemoteFree, RandomTurnsOfThreads) {
  constexpr size_t kThreads = 5;
  std::mt19937_64 random(4);
  struct Live {
    void* cell;
    size_t size;
    uint64_t seed;
  };
  std::vector<Live> live;
  std::vector<std::unique_ptr<Worker>> workers(kThreads);
  for (auto& worker : workers) worker = std::make_unique<Worker>();
  for (int step = 0; step < 3000; ++step) {
    auto& worker = workers[random() % kThreads];
    const uint64_t what = random() % 100;
    const bool grows = step / 500 % 2 == 0;
    if (what < 2) {
      worker = std::make_unique<Worker>();  // one thread ends, one begins
    } else if (what < (grows ? 60U : 40U) || live.empty()) {
      const size_t size = random() % (size_t{1} << (4 + random() % 12));
      const size_t count = 1 + random() % 200;
      worker->Do([&] {
        for (size_t i = 0; i < count; ++i) {
          live.push_back({Allocate(size), size, random()});
          ASSERT_NE(live.back().cell, nullptr);
          Fill(live.back().cell, size, live.back().seed);
        }
        CheckHeap();
      });
    } else {
      const size_t count = 1 + random() % 200;
      worker->Do([&] {
        for (size_t i = 0; i < count && !live.empty(); ++i) {
          const size_t index = random() % live.size();
          const Live one = live[index];
          ASSERT_TRUE(HasPattern(one.cell, one.size, one.seed));
          Free(one.cell);
          live[index] = live.back();
          live.pop_back();
        }
        CheckHeap();
      });
    }
  }
  for (const Live& one : live) {
    ASSERT_TRUE(HasPattern(one.cell, one.size, one.seed));
    Free(one.cell);
  }
  workers.clear();
  EmptyParkedHeaps();
  t_heap->Flush();
  EXPECT_LE(g_central_heap.Counts().live_bytes, kMiB);
}

}  // namespace
}  // namespace memalloc
