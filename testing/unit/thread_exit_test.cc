// Threads that end: what becomes of their heaps and blocks, and what they still
// do when their heap is gone.

#include <pthread.h>

#include <functional>
#include <memory>
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

// ---- what the dead leave ----

CORE_TEST(ThreadExit, ShortThreadsInARowUseTheSameMemory) {
  uint64_t blocks = 0;
  for (int i = 0; i < 500; ++i) {
    Worker worker;
    worker.Do([] {
      FreeAll(AllocateMany(kSize, 100));
      FreeAll(AllocateMany(1000, 100));
    });
    worker.End();
    if (i == 0) blocks = BlocksInUse();
    ASSERT_EQ(BlocksInUse(), blocks) << "thread " << i;
  }
  CheckHeap();
  EXPECT_EQ(g_central_heap.Counts().thread_heaps, 0U);
}

CORE_TEST(ThreadExit, ManyAtOnceLeaveTheirMemoryToOthers) {
  constexpr size_t kThreads = 100;
  std::vector<std::unique_ptr<Worker>> workers;
  for (size_t i = 0; i < kThreads; ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->Do([] { FreeAll(AllocateMany(1000, 130)); });
  }
  EXPECT_EQ(g_central_heap.Counts().thread_heaps, kThreads);
  const uint64_t backed = g_central_heap.Counts().backed_bytes;
  workers.clear();
  CheckHeap();
  EXPECT_EQ(g_central_heap.Counts().thread_heaps, 0U);
  // Each had two blocks in the end, and one more before; nine tenths of two can
  // be had again, in another class.
  const size_t cells = 90 * 2 * kGranuleSize / 8192;
  FreeAll(AllocateMany(8192, cells));
  EXPECT_EQ(g_central_heap.Counts().backed_bytes, backed);
}

// No memory is stranded with the dead: not for large blocks either.
CORE_TEST(ThreadExit, WhatIsFreedAfterwardsServesLargeBlocks) {
  std::vector<void*> cells;
  Worker worker;
  worker.Do([&] {
    cells = AllocateMany(1000, 20 * CellsPerBlock(1000));
    // Its blocks are partial, so they stay its own.
    for (size_t i = 0; i < cells.size(); i += 2) Free(cells[i]);
  });
  worker.End();
  Worker other;
  other.Do([&] {
    for (size_t i = 1; i < cells.size(); i += 2) Free(cells[i]);
  });
  other.End();
  // 20 blocks of 64 KiB, and what the heap has free beside them.
  fake_os::FailAny(1, fake_os::kForEver);
  size_t bytes = 0;
  while (Allocate(3 * kGranuleSize) != nullptr) bytes += 3 * kGranuleSize;
  CheckHeap();
  const CentralCounts counts = g_central_heap.Counts();
  EXPECT_GE(bytes + 8 * kGranuleSize, counts.backed_bytes)
      << bytes << " of " << counts.backed_bytes;
}

CORE_TEST(ThreadExit, PartialBlocksBecomeOrphansAndAreAdopted) {
  std::vector<void*> kept;
  Worker worker;
  worker.Do([&] { kept = AllocateMany(kSize, 10); });
  EndAndEmpty(worker);
  BlockHeader* block = BlockOfPointer(kept[0]);
  EXPECT_EQ(block->owner.load(), nullptr);
  EXPECT_TRUE(block->IsOrphan());
  EXPECT_EQ(block->UsedCells(), 10U) << "the bin's cells went back";
  for (size_t i = 0; i < kept.size(); ++i) Fill(kept[i], kSize, i);
  const uint64_t blocks = BlocksInUse();
  const std::vector<void*> cells =
      AllocateMany(kSize, CellsPerBlock(kSize) - kept.size());
  for (void* cell : cells) {
    ASSERT_EQ(BlockOfPointer(cell), block);
    Fill(cell, kSize, 77);
  }
  EXPECT_EQ(block->owner.load(), t_heap);
  EXPECT_EQ(BlocksInUse(), blocks);
  for (size_t i = 0; i < kept.size(); ++i) {
    ASSERT_TRUE(HasPattern(kept[i], kSize, i));
  }
}

CORE_TEST(ThreadExit, EmptyBlocksGoBack) {
  const uint64_t blocks = BlocksInUse();
  Worker worker;
  worker.Do([] {
    std::vector<std::vector<void*>> cells;
    for (size_t size = 16; size <= 4096; size *= 2) {
      cells.push_back(AllocateMany(size, 500));
    }
    for (const auto& of_size : cells) FreeAll(of_size);
  });
  EndAndEmpty(worker);
  EmptyParkedHeaps();
  // But for the thread heaps' own, and what EmptyParkedHeaps used.
  EXPECT_LE(BlocksInUse(), blocks + 4);
}

// Frees into an orphan claim it; it must be given back when it is empty, also
// one that was never carved to its end.
CORE_TEST(ThreadExit, OrphansThatAreFreedByOthersGoBack) {
  constexpr size_t kThreads = 20;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<void*> cells;
  for (size_t i = 0; i < kThreads; ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->Do([&] {
      const std::vector<void*> some = AllocateMany(kSize, 10);
      cells.insert(cells.end(), some.begin(), some.end());
    });
  }
  for (auto& worker : workers) EndAndEmpty(*worker);
  const uint64_t blocks = BlocksInUse();
  FreeAll(cells);
  CheckHeap();
  EXPECT_LE(BlocksInUse(), blocks - (kThreads - 1));
}

// The same for an orphan that is still in the orphans' list when it is freed,
// with an owner.
CORE_TEST(ThreadExit, AnOrphanWithAnOwnerIsPassedOver) {
  std::vector<void*> kept;
  Worker worker;
  worker.Do([&] { kept = AllocateMany(kSize, 10); });
  EndAndEmpty(worker);
  BlockHeader* block = BlockOfPointer(kept[0]);
  Worker claimer;
  claimer.Do([&] { Free(kept[0]); });
  ASSERT_NE(block->owner.load(), nullptr);
  ASSERT_TRUE(block->IsOrphan()) << "unlinked under the lock only";
  CheckHeap();
  // The list is looked through, the block is not taken.
  EXPECT_NE(BlockOfPointer(Allocate(kSize)), block);
  EXPECT_FALSE(block->IsOrphan());
  CheckHeap();
}

// A heap that waits for the next thread keeps its blocks while an orphan will
// do, or free granules; after that no more are emptied than need be.
CORE_TEST(ThreadExit, OrphansAreUsedBeforeParkedHeapsAreEmptied) {
  Free(Allocate(1));
  void* in_parked = nullptr;
  void* in_orphan = nullptr;
  Worker parked;
  parked.Do([&] { in_parked = Allocate(1000); });
  Worker worker;
  worker.Do([&] { in_orphan = Allocate(kSize); });
  parked.End();
  EndAndEmpty(worker);
  ASSERT_NE(OwnerOf(in_parked), nullptr);
  ASSERT_TRUE(BlockOfPointer(in_orphan)->IsOrphan());
  TakeFreeGranules();
  const uintptr_t top = fake_os::BreakNow();
  const uint64_t blocks = BlocksInUse();
  EXPECT_EQ(BlockOfPointer(Allocate(kSize)), BlockOfPointer(in_orphan));
  EXPECT_EQ(BlocksInUse(), blocks) << "a parked heap was emptied";
  Allocate(2000);
  EXPECT_NE(OwnerOf(in_parked), nullptr) << "one that parked later had enough";
  EXPECT_EQ(fake_os::BreakNow(), top);
  CheckHeap();
}

// ---- after the heap is gone ----

// A key made after the core's own: in each round of destructors its turn comes
// later, so that it sees the heap go.
class LateKey {
 public:
  LateKey() {
    Free(Allocate(1));  // the core makes its key
    EXPECT_EQ(pthread_key_create(&key_, &LateKey::OnExit), 0);
  }
  ~LateKey() { pthread_key_delete(key_); }
  LateKey(const LateKey&) = delete;
  LateKey& operator=(const LateKey&) = delete;

  // Runs `early` on a new thread, which must make a heap, and `late` on the
  // same one when its heap is gone; the thread has ended when this returns.
  void Run(const std::function<void()>& early,
           const std::function<void()>& late) {
    Task task = {key_, late, false};
    {
      Worker worker;
      worker.Do([&] {
        early();
        EXPECT_EQ(pthread_setspecific(key_, &task), 0);
      });
    }
    EXPECT_TRUE(task.is_done) << "the heap was never gone";
  }

 private:
  struct Task {
    pthread_key_t key;
    const std::function<void()>& late;
    bool is_done;
  };

  static void OnExit(void* argument) {
    auto* task = static_cast<Task*>(argument);
    if (t_heap != &g_gone_heap) {
      pthread_setspecific(task->key, task);  // another round
      return;
    }
    task->late();
    task->is_done = true;
  }

  pthread_key_t key_;
};

CORE_TEST(GoneHeap, StillAllocatesAndFrees) {
  LateKey key;
  std::vector<void*> early;
  std::vector<void*> outlives;
  const uint64_t heaps = g_central_heap.Counts().thread_heaps;
  key.Run([&] { early = AllocateMany(kSize, 50); },
          [&] {
            FreeAll(early);
            CheckHeap();
            for (const size_t size : {size_t{1}, kSize, size_t{5000},
                                      kMaxSmallSize, kMiB, 10 * kMiB}) {
              void* block = Allocate(size);
              ASSERT_NE(block, nullptr);
              Fill(block, size, size);
              CheckHeap();
              block = Reallocate(block, 2 * size);
              ASSERT_NE(block, nullptr);
              ASSERT_TRUE(HasPattern(block, size, size));
              CheckHeap();
              Free(block);
              CheckHeap();
            }
            void* zeroed = AllocateZeroed(3000);
            EXPECT_TRUE(IsZero(zeroed, 3000));
            void* aligned = AllocateAligned(100, 4096);
            EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned) % 4096, 0U);
            outlives = {zeroed, aligned};
            EXPECT_EQ(t_heap, &g_gone_heap) << "no heap is built for that";
          });
  FreeAll(outlives);
  EXPECT_EQ(g_central_heap.Counts().thread_heaps, heaps);
}

CORE_TEST(GoneHeap, HandsOutDistinctCells) {
  LateKey key;
  std::vector<void*> cells;
  key.Run([] { Free(Allocate(1)); },
          [&] {
            // More than two blocks; some are freed and handed out again.
            for (uint64_t i = 0; i < 2500; ++i) {
              cells.push_back(Allocate(kSize));
              ASSERT_NE(cells.back(), nullptr);
              if (i % 5 == 4) {
                Free(cells[cells.size() - 3]);
                cells.erase(cells.end() - 3);
              }
              if (i % 100 == 0) CheckHeap();
            }
            for (size_t i = 0; i < cells.size(); ++i) Fill(cells[i], kSize, i);
          });
  for (size_t i = 0; i < cells.size(); ++i) {
    ASSERT_TRUE(HasPattern(cells[i], kSize, i));
  }
  FreeAll(cells);
}

CORE_TEST(GoneHeap, FreesIntoBlocksOfEveryKindOfOwner) {
  LateKey key;
  const std::vector<void*> mine = AllocateMany(kSize, 10);  // the main thread's
  std::vector<void*> detached = AllocateMany(200, CellsPerBlock(200));
  Allocate(200);
  ASSERT_EQ(OwnerOf(detached[0]), nullptr);
  std::vector<void*> orphan;
  {
    Worker worker;
    worker.Do([&] { orphan = AllocateMany(300, 10); });
    EndAndEmpty(worker);
  }
  ASSERT_TRUE(BlockOfPointer(orphan[0])->IsOrphan());
  const uint64_t blocks = BlocksInUse();
  key.Run([] { Free(Allocate(1)); },
          [&] {
            FreeAll(mine);
            CheckHeap();
            FreeAll(detached);
            CheckHeap();
            FreeAll(orphan);
            CheckHeap();
          });
  EXPECT_EQ(BlocksInUse(), blocks - 2) << "the detached one and the orphan";
  Free(Allocate(40000));  // a slow path
  EXPECT_EQ(BlockOfPointer(mine[0])->FreeCells(), 10U);
}

CORE_TEST(GoneHeap, IsServedFromWhatIsKeptOfFreedHugeBlocks) {
  LateKey key;
  key.Run([] { Free(Allocate(1)); },
          [] {
            void* huge = Allocate(20 * kMiB);
            TakeFreeGranules();
            Free(huge);
            fake_os::LimitMemory(fake_os::UsableBytes());
            EXPECT_NE(Allocate(kSize), nullptr);
          });
}

// A thread that has no heap yet in its last moments does not build one that
// nobody would give up.
CORE_TEST(GoneHeap, ThreadsThatEndDoNotPileUpMemory) {
  LateKey key;
  uint64_t backed = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<void*> cells;
    key.Run([&] { cells = AllocateMany(500, 20); },
            [&] {
              FreeAll(cells);
              FreeAll(AllocateMany(700, 20));
            });
    if (i == 20) backed = g_central_heap.Counts().backed_bytes;
  }
  CheckHeap();
  EXPECT_LE(g_central_heap.Counts().backed_bytes, backed);
}

}  // namespace
}  // namespace memalloc
