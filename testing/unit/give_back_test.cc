// Memory on its way back to the kernel: the top of the break, mapped arenas,
// mappings that were kept, and what ended threads held. Never what is in use,
// never what is somebody else's.

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

using fake_os::Call;

constexpr size_t kMiB = 1024 * 1024;

// Takes `bytes` in large blocks.
std::vector<void*> TakeMemory(size_t bytes) {
  return AllocateMany(2 * kMiB, bytes / (2 * kMiB));
}

CORE_TEST(GiveBack, NothingIsThereAtFirst) {
  EXPECT_FALSE(g_central_heap.GiveBack());
}

CORE_TEST(GiveBack, LowersTheTopOfTheBreak) {
  void* kept = Allocate(kMiB);
  Fill(kept, kMiB, 1);
  const std::vector<void*> blocks = TakeMemory(100 * kMiB);
  const uintptr_t top = fake_os::BreakNow();
  FreeAll(blocks);
  EXPECT_EQ(fake_os::BreakNow(), top) << "not without being asked";
  EXPECT_TRUE(g_central_heap.GiveBack());
  CheckHeap();
  EXPECT_LE(fake_os::BreakNow(), reinterpret_cast<uintptr_t>(kept) + 2 * kMiB);
  EXPECT_EQ(g_central_heap.Counts().arenas, 1U);
  EXPECT_TRUE(HasPattern(kept, kMiB, 1));
  EXPECT_FALSE(Owns(blocks.back())) << "its arena is gone";
  EXPECT_FALSE(g_central_heap.GiveBack()) << "all is done";
  // And up again; what comes is zero.
  for (void* block : TakeMemory(100 * kMiB)) Fill(block, 2 * kMiB, 2);
  CheckHeap();
  EXPECT_LE(fake_os::BreakNow(), top + kArenaSize);
}

CORE_TEST(GiveBack, WhatComesAgainIsZero) {
  void* block = Allocate(5 * kMiB);
  Fill(block, 5 * kMiB, 1);
  Free(block);
  ASSERT_TRUE(g_central_heap.GiveBack());
  void* again = AllocateZeroed(5 * kMiB);
  EXPECT_TRUE(IsZero(again, 5 * kMiB));
}

CORE_TEST(GiveBack, EverythingWhenNothingIsUsed) {
  FreeAll(TakeMemory(60 * kMiB));
  EXPECT_TRUE(g_central_heap.GiveBack());
  EXPECT_EQ(g_central_heap.Counts().arenas, 0U);
  EXPECT_EQ(g_central_heap.Counts().backed_bytes, 0U);
  FreeAll(TakeMemory(60 * kMiB));
  CheckHeap();
}

CORE_TEST(GiveBack, NotPastSomebodyElsesBreak) {
  const std::vector<void*> blocks = TakeMemory(30 * kMiB);
  fake_os::ForeignSbrk(100);
  const uintptr_t top = fake_os::BreakNow();
  FreeAll(blocks);
  g_central_heap.GiveBack();
  CheckHeap();
  EXPECT_EQ(fake_os::BreakNow(), top);
  // What stands above the gap can still go.
  const std::vector<void*> above = TakeMemory(60 * kMiB);
  FreeAll(above);
  EXPECT_TRUE(g_central_heap.GiveBack());
  CheckHeap();
  EXPECT_GE(fake_os::BreakNow(), top);
  EXPECT_LE(fake_os::BreakNow(), top + 2 * kArenaSize);
}

CORE_TEST(GiveBack, SomebodyMovesTheBreakMeanwhile) {
  for (int round = 0; round < 5; ++round) {
    FreeAll(TakeMemory(60 * kMiB));
    fake_os::Before(Call::kLowerBreak, [] { fake_os::ForeignSbrk(5000); });
    g_central_heap.GiveBack();
    CheckHeap();
  }
}

CORE_TEST(GiveBack, TheKernelRefuses) {
  FreeAll(TakeMemory(60 * kMiB));
  fake_os::Fail(Call::kLowerBreak, 2);
  g_central_heap.GiveBack();
  CheckHeap();
  FreeAll(TakeMemory(60 * kMiB));
  fake_os::Fail(Call::kCurrentBreak, 1);
  g_central_heap.GiveBack();
  CheckHeap();
  FreeAll(TakeMemory(60 * kMiB));
}

CORE_TEST(GiveBack, MappedArenas) {
  fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
  void* kept = Allocate(kMiB);
  FreeAll(TakeMemory(100 * kMiB));
  ASSERT_GE(fake_os::MappedBytes(), 100 * kMiB);
  EXPECT_TRUE(g_central_heap.GiveBack());
  CheckHeap();
  // The arena of `kept`; growth that moved on gave its rest back.
  EXPECT_GT(fake_os::MappedBytes(), kMiB);
  EXPECT_LE(fake_os::MappedBytes(), kArenaSize);
  EXPECT_TRUE(Owns(kept));
  Free(kept);
  g_central_heap.GiveBack();
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
  FreeAll(TakeMemory(100 * kMiB));
  CheckHeap();
}

// A part of an arena is somebody else's when committing it left a hole.
CORE_TEST(GiveBack, NotWhatOthersGotOfAMappedArena) {
  fake_os::RefusalsLeaveHoles();
  fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
  std::vector<void*> blocks = {Allocate(kMiB)};
  fake_os::Fail(Call::kCommit, 1);
  while (!fake_os::HasFailed() || blocks.size() < 10) {
    blocks.push_back(Allocate(kMiB));
    ASSERT_NE(blocks.back(), nullptr);
  }
  EXPECT_GT(fake_os::TakeLostPages(), 0U);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20; ++i) blocks.push_back(Allocate(kMiB));
    CheckHeap();
    FreeAll(blocks);
    blocks.clear();
    EXPECT_TRUE(g_central_heap.GiveBack());
    CheckHeap();
  }
}

CORE_TEST(GiveBack, MappingsOfHugeBlocks) {
  Free(Allocate(20 * kMiB));
  EXPECT_GT(fake_os::MappedBytes(), 0U) << "kept for the next";
  EXPECT_TRUE(g_central_heap.GiveBack());
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
}

CORE_TEST(GiveBack, WhatThreadsHold) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 5; ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->Do([] {
      for (size_t size = 16; size <= 8192; size *= 2) {
        FreeAll(AllocateMany(size, 200));
      }
    });
  }
  workers.clear();
  for (size_t size = 16; size <= 8192; size *= 2) {
    FreeAll(AllocateMany(size, 200));
  }
  EXPECT_TRUE(g_central_heap.GiveBack());
  CheckHeap();
  EXPECT_LE(BlocksInUse(), 2U) << "the thread heaps themselves";
  FreeAll(AllocateMany(64, 1000));
  CheckHeap();
}

// ---- malloc_trim ----

CORE_TEST(Trim, SaysWhetherMemoryWentBack) {
  EXPECT_FALSE(g_central_heap.Trim(0)) << "there is nothing";
  void* kept = Allocate(kMiB);
  Fill(kept, kMiB, 1);
  const std::vector<void*> blocks = TakeMemory(60 * kMiB);
  void* last = Allocate(kMiB);
  FreeAll(blocks);
  EXPECT_TRUE(g_central_heap.Trim(0)) << "below blocks in use";
  CheckHeap();
  EXPECT_GE(fake_os::PurgedBytes(), 50 * kMiB);
  EXPECT_EQ(g_central_heap.Counts().purgeable_bytes, 0U);
  EXPECT_FALSE(g_central_heap.Trim(0)) << "once";
  EXPECT_TRUE(HasPattern(kept, kMiB, 1));
  Free(last);
  EXPECT_TRUE(g_central_heap.Trim(0)) << "the top of the break";
  EXPECT_FALSE(g_central_heap.Trim(0));
  // Empty blocks of a thread alone are no memory that went back.
  Allocate(16);
  g_central_heap.Trim(0);
  EXPECT_FALSE(g_central_heap.Trim(0));
  Free(Allocate(20 * kMiB));
  EXPECT_TRUE(g_central_heap.Trim(0)) << "a mapping";
  EXPECT_FALSE(g_central_heap.Trim(0));
}

CORE_TEST(Trim, LeavesThePad) {
  Allocate(kMiB);
  FreeAll(TakeMemory(60 * kMiB));
  const uintptr_t top = fake_os::BreakNow();
  EXPECT_TRUE(g_central_heap.Trim(20 * kMiB));
  CheckHeap();
  EXPECT_LE(fake_os::BreakNow(), top - 30 * kMiB);
  EXPECT_GE(g_central_heap.Counts().backed_bytes, 20 * kMiB);
  EXPECT_EQ(g_central_heap.Counts().purgeable_bytes, 0U) << "without pages";
  EXPECT_FALSE(g_central_heap.Trim(20 * kMiB));
  const uintptr_t before = fake_os::BreakNow();
  FreeAll(TakeMemory(10 * kMiB));
  EXPECT_EQ(fake_os::BreakNow(), before) << "what the pad is for";
  EXPECT_FALSE(g_central_heap.Trim(SIZE_MAX) && fake_os::BreakNow() != before);
}

CORE_TEST(Trim, WhatThreadsHold) {
  Worker worker;
  worker.Do([] { FreeAll(AllocateMany(1024, 1000)); });
  worker.End();
  FreeAll(AllocateMany(1024, 1000));
  EXPECT_TRUE(g_central_heap.Trim(0));
  EXPECT_LE(BlocksInUse(), 2U);
  EXPECT_EQ(g_central_heap.Counts().purgeable_bytes, 0U);
}

CORE_TEST(GiveBack, RandomlyAmongOtherThings) {
  std::mt19937_64 random(5);
  struct Live {
    void* block;
    size_t size;
  };
  std::vector<Live> live;
  for (int step = 0; step < 1500; ++step) {
    const uint64_t what = random() % 100;
    const bool grows = step / 200 % 2 == 0;
    if (live.empty() || what < (grows ? 55U : 35U)) {
      const size_t size = 1 + random() % (size_t{1} << (4 + random() % 20));
      live.push_back({Allocate(size), size});
      ASSERT_NE(live.back().block, nullptr);
      Fill(live.back().block, size, size);
    } else if (what < 94) {
      const size_t index = random() % live.size();
      ASSERT_TRUE(
          HasPattern(live[index].block, live[index].size, live[index].size));
      Free(live[index].block);
      live[index] = live.back();
      live.pop_back();
    } else if (what < 97) {
      fake_os::ForeignSbrk(1 + random() % 300000);
    } else {
      g_central_heap.GiveBack();
    }
    CheckHeap();
  }
  for (const Live& one : live) {
    ASSERT_TRUE(HasPattern(one.block, one.size, one.size));
  }
}

}  // namespace
}  // namespace memalloc
