// What happens once: the key of the links, the fork handlers; and the
// summary that observe makes of the heap.

#include "memalloc/runtime/runtime.h"

#include <pthread.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/observe/stack.h"
#include "memalloc/observe/summary.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;

// ---- the first use ----

CORE_TEST(FirstUse, MakesTheKeyOfTheLinks) {
  EXPECT_EQ(g_link_key, 0U);
  Allocate(1);
  EXPECT_EQ(g_link_key >> kFreeTagShift, kFreeTag);
  const uintptr_t key = g_link_key;
  Worker worker;
  worker.Do([] { Allocate(1); });
  EXPECT_EQ(g_link_key, key) << "once";
}

// ---- the summary ----

CORE_TEST(Summary, FollowsTheHeap) {
  const Summary none = TakeSummary();
  EXPECT_EQ(none.live_bytes, 0U);
  EXPECT_EQ(none.heap_bytes, 0U);
  EXPECT_EQ(none.arenas, 0U);
  EXPECT_EQ(none.threads, 0U);
  EXPECT_EQ(none.rss_bytes, 1000U);
  EXPECT_EQ(none.peak_rss_bytes, 2000U);

  const std::vector<void*> cells = AllocateMany(1024, 64);  // a block
  void* large = Allocate(3 * kMiB);
  void* huge = Allocate(20 * kMiB);
  const Summary full = TakeSummary();
  EXPECT_GE(full.live_bytes, 64 * 1024 + 23 * kMiB);
  EXPECT_LE(full.live_bytes, 64 * 1024 + 23 * kMiB + kGranuleSize);
  EXPECT_GE(full.peak_bytes, full.live_bytes);
  EXPECT_GE(full.heap_bytes, full.live_bytes);
  EXPECT_EQ(full.blocks, 4U) << "cells, large, huge, and the thread heap's";
  EXPECT_EQ(full.threads, 1U);

  FreeAll(cells);
  Free(large);
  Free(huge);
  const Summary after = TakeSummary();
  EXPECT_LE(after.live_bytes, kGranuleSize);
  EXPECT_GE(after.peak_bytes, full.live_bytes) << "a peak stays";
  EXPECT_EQ(after.blocks, 2U);
}

// Other threads' blocks are counted while they change.
CORE_TEST(Summary, CountsOtherThreads) {
  Worker worker;
  worker.Do([] { AllocateMany(1024, 640); });
  EXPECT_GE(TakeSummary().live_bytes, 640 * 1024U);
  EXPECT_LE(TakeSummary().live_bytes, 650 * 1024U);
  EXPECT_EQ(TakeSummary().threads, 1U);
}

// ---- fork ----

CORE_TEST(Fork, TheChildGoesOnWithItsHeap) {
  const std::vector<void*> cells = AllocateMany(64, 3000);
  for (size_t i = 0; i < cells.size(); ++i) Fill(cells[i], 64, i);
  void* large = Allocate(kMiB);
  void* huge = Allocate(20 * kMiB);
  InForkedChild([&] {
    EXPECT_EQ(OwnerOf(cells.back()), t_heap);
    for (size_t i = 0; i < cells.size(); ++i) {
      ASSERT_TRUE(HasPattern(cells[i], 64, i));
    }
    FreeAll(cells);
    CheckHeap();
    Free(large);
    Free(huge);
    FreeAll(AllocateMany(100, 5000));
  });
  CheckHeap();
  FreeAll(cells);
}

// Blocks of threads that are not in the child are written off: frees into them
// are dropped, and nobody waits for their locks.
CORE_TEST(Fork, OtherThreadsBlocksAreWrittenOff) {
  std::vector<void*> cells;
  Worker worker;
  worker.Do([&] { cells = AllocateMany(64, 500); });
  InForkedChild([&] {
    FreeAll(cells);
    CheckHeap();
    const std::vector<void*> mine = AllocateMany(64, 2000);
    for (void* cell : mine) {
      ASSERT_NE(BlockOfPointer(cell), BlockOfPointer(cells[0]));
    }
    EXPECT_EQ(g_central_heap.Counts().thread_heaps, 1U);
  });
  worker.Do([&] {
    FreeAll(cells);
    CheckHeap();
  });
}

// Full blocks belong to nobody, in the child as well.
CORE_TEST(Fork, DetachedBlocksAreStillThere) {
  std::vector<void*> cells;
  Worker worker;
  worker.Do([&] { cells = AllocateMany(1024, 10 * 64 + 1); });
  InForkedChild([&] {
    const uint64_t blocks = BlocksInUse();
    cells.pop_back();
    FreeAll(cells);
    CheckHeap();
    EXPECT_LE(BlocksInUse(), blocks - 9);
  });
}

// The free cells of orphans may be torn, and are given up; the cells that are
// in use can be freed.
CORE_TEST(Fork, OrphansLoseTheirFreeCellsOnly) {
  std::vector<void*> kept;
  Worker worker;
  worker.Do([&] {
    kept = AllocateMany(64, 40);
    for (size_t i = 0; i < 20; ++i) Free(kept[i]);
  });
  Worker other;  // so that there is somebody to be written off
  other.Do([] { Allocate(64); });
  EndAndEmpty(worker);
  ASSERT_TRUE(BlockOfPointer(kept[30])->IsOrphan());
  InForkedChild([&] {
    for (size_t i = 20; i < 40; ++i) Free(kept[i]);
    CheckHeap();
    AllocateMany(64, 3000);
    CheckHeap();
  });
}

// A link as it may stand in the copy; the child must not follow it.
class TornLink {
 public:
  explicit TornLink(void* cell) : word_(static_cast<uintptr_t*>(cell)) {
    *word_ ^= kTear;
  }
  ~TornLink() { *word_ ^= kTear; }
  TornLink(const TornLink&) = delete;
  TornLink& operator=(const TornLink&) = delete;

 private:
  static constexpr uintptr_t kTear = uintptr_t{1} << 46;
  uintptr_t* word_;
};

CORE_TEST(Fork, WhatThreadsWithoutAHeapSentIsWrittenOff) {
  void* cell = Allocate(64);
  Worker worker;
  worker.Do([&] { Free(cell); });
  ASSERT_EQ(g_central_heap.Counts().thread_heaps, 1U);
  const TornLink torn(cell);
  InForkedChild([] { AllocateMany(64, 3000); });
}

// Handlers that were registered before ours run after it before the fork, and
// before it in the child.
struct EarlyHandlers {
  std::function<void()> prepare = [] {};
  std::function<void()> in_child = [] {};
};
EarlyHandlers& TheEarlyHandlers() {
  static EarlyHandlers& handlers = *new EarlyHandlers;
  return handlers;
}
void RegisterEarly(const EarlyHandlers& handlers) {
  ASSERT_EQ(t_heap, &g_no_heap) << "ours are not registered yet";
  TheEarlyHandlers() = handlers;
  constexpr auto kPrepare = [] {
    EXPECT_TRUE(HoldsAllForFork());
    TheEarlyHandlers().prepare();
  };
  constexpr auto kInChild = [] {
    EXPECT_TRUE(HoldsAllForFork());
    TheEarlyHandlers().in_child();
  };
  ASSERT_EQ(pthread_atfork(kPrepare, nullptr, kInChild), 0);
}
void RegisterEarlyHandler(const std::function<void()>& body) {
  EarlyHandlers handlers;
  handlers.in_child = body;
  RegisterEarly(handlers);
}

CORE_TEST(Fork, WhatAnEarlierHandlerFreesIsNotLost) {
  std::vector<void*> cells;
  EarlyHandlers handlers;
  handlers.prepare = [&] { FreeAll(cells); };
  RegisterEarly(handlers);
  const std::vector<void*> block_full = AllocateMany(64, kGranuleSize / 64);
  Allocate(64);
  cells.assign(block_full.begin(), block_full.begin() + 100);
  BlockHeader* block = BlockOfPointer(cells[0]);
  ASSERT_EQ(block->owner.load(), nullptr) << "detached";
  InForkedChild([] { AllocateMany(64, 3000); });
  t_heap->Flush();  // into the own inbox
  t_heap->Flush();
  EXPECT_EQ(block->owner.load(), t_heap);
  EXPECT_EQ(block->FreeCells(), 100U);
  CheckHeap();
}

CORE_TEST(Fork, AHandlerMayFork) {
  static int forks;
  forks = 0;
  EarlyHandlers handlers;
  handlers.prepare = [] {
    if (forks++ > 0) return;
    InForkedChild([] {
      AllocateMany(64, 3000);
      EXPECT_TRUE(HoldsAllForFork()) << "the outer fork is still to come";
    });
    EXPECT_TRUE(HoldsAllForFork()) << "here too";
  };
  RegisterEarly(handlers);
  Allocate(64);
  InForkedChild([] {
    EXPECT_FALSE(HoldsAllForFork());
    AllocateMany(64, 3000);
    CheckHeap();
  });
  EXPECT_EQ(forks, 2);
  EXPECT_FALSE(HoldsAllForFork());
  AllocateMany(64, 3000);
  CheckHeap();
}

// Their handlers run before they wait for each other.
CORE_TEST(Fork, TwoThreadsMayForkAtOnce) {
  Allocate(64);
  uintptr_t frames[kMaxStackDepth];
  ASSERT_NE(CaptureStack(frames), 0U);
  Worker other;
  other.Do(&PrepareForkOfStacks);
  InForkedChild([&frames] {
    EXPECT_NE(CaptureStack(frames), 0U) << "the other is not here";
  });
  EXPECT_EQ(CaptureStack(frames), 0U) << "the other forks still";
  other.Do([] { AfterForkOfStacks(/*in_child=*/false); });
  EXPECT_NE(CaptureStack(frames), 0U);
}

CORE_TEST(Fork, AnEarlierHandlerLeavesTheInboxAlone) {
  RegisterEarlyHandler([] { AllocateMany(64, 3000); });
  void* cell = Allocate(64);
  Worker worker;
  worker.Do([&] { Free(cell); });
  const TornLink torn(cell);
  InForkedChild([] { AllocateMany(64, 3000); });
}

CORE_TEST(Fork, AnEarlierHandlerLeavesOrphansAlone) {
  std::vector<void*> cells;
  RegisterEarlyHandler([&] {
    Free(cells[7]);
    AllocateMany(64, 3000);
  });
  Worker worker;
  worker.Do([&] {
    cells = AllocateMany(64, 40);
    FreeAll({cells[3], cells[4]});
  });
  Worker other;
  other.Do([] { Allocate(64); });
  EndAndEmpty(worker);
  ASSERT_TRUE(BlockOfPointer(cells[0])->IsOrphan());
  {
    const TornLink torn(CellAt(BlockOfPointer(cells[0])->free_list));
    InForkedChild([] { AllocateMany(64, 3000); });
  }
  CheckHeap();
}

CORE_TEST(Fork, AnEarlierHandlerLeavesParkedHeapsAlone) {
  RegisterEarlyHandler([] {
    TakeFreeGranules();
    AllocateMany(64, 3000);
  });
  void* cell = Allocate(64);  // lest this thread take the parked heap
  Worker worker;
  worker.Do([&] { cell = Allocate(64); });
  worker.End();
  Worker sender;
  sender.Do([&] { Free(cell); });
  // The second word, which leads to the next batch.
  const TornLink torn(static_cast<uintptr_t*>(cell) + 1);
  InForkedChild([] { AllocateMany(64, 3000); });
}

CORE_TEST(Fork, TheChildForksAgain) {
  const std::vector<void*> cells = AllocateMany(64, 100);
  Worker worker;
  worker.Do([] { Allocate(64); });
  InForkedChild([&] {
    InForkedChild([&] {
      FreeAll(cells);
      AllocateMany(200, 1000);
    });
    FreeAll(cells);
  });
}

}  // namespace
}  // namespace memalloc
