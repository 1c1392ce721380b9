// When the kernel says no: each call in turn fails, and the heap answers null
// or with a sound block, stays consistent, and works again afterwards.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
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

using fake_os::Call;

constexpr size_t kMiB = 1024 * 1024;

// Of a block so much is looked at, at either end: hundreds of processes come
// here.
constexpr size_t kEnd = 16384;

void FillEnds(void* block, size_t size, uint64_t seed) {
  auto* start = static_cast<char*>(block);
  const size_t end = std::min(size, kEnd);
  Fill(start, end, seed);
  Fill(start + size - end, end, seed + 1);
}

// The block was filled as `size` bytes; only the first `kept` count.
bool HasEnds(const void* block, size_t size, uint64_t seed, size_t kept) {
  const auto* start = static_cast<const char*>(block);
  const size_t end = std::min(size, kEnd);
  // The later pattern wins where the two overlap.
  const size_t first = std::min(end, size - end);
  if (!HasPattern(start, std::min(first, kept), seed, end)) return false;
  return kept < size || HasPattern(start + size - end, end, seed + 1);
}

bool HasZeroEnds(const void* block, size_t size) {
  const auto* start = static_cast<const char*>(block);
  const size_t end = std::min(size, kEnd);
  return IsZero(start, end) && IsZero(start + size - end, end);
}

// Blocks that may or may not be had; those that are keep their contents.
class Attempts {
 public:
  ~Attempts() {
    for (const Block& block : blocks_) {
      EXPECT_TRUE(HasEnds(block.start, block.size, block.seed, block.size));
      Free(block.start);
      CheckHeap();
    }
  }

  void Plain(size_t size) { Note(Allocate(size), size); }

  void Zeroed(size_t size) {
    void* block = AllocateZeroed(size);
    if (block != nullptr) {
      EXPECT_TRUE(HasZeroEnds(block, size)) << size;
    }
    Note(block, size);
  }

  void Aligned(size_t size, size_t alignment) {
    void* block = AllocateAligned(size, alignment);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0U);
    Note(block, size);
  }

  // Of the block made last, if there is one.
  void Resized(size_t size) {
    if (blocks_.empty()) return;
    Block& block = blocks_.back();
    void* moved = Reallocate(block.start, size);
    CheckHeap();
    if (moved == nullptr) {
      ++refused_;
      EXPECT_GT(size, block.size) << "shrinking cannot fail";
      EXPECT_TRUE(HasEnds(block.start, block.size, block.seed, block.size))
          << "the old block stays as it was";
      return;
    }
    EXPECT_TRUE(
        HasEnds(moved, block.size, block.seed, std::min(size, block.size)));
    FillEnds(moved, size, block.seed);
    block.start = moved;
    block.size = size;
  }

  int refused() const { return refused_; }

 private:
  struct Block {
    void* start;
    size_t size;
    uint64_t seed;
  };

  void Note(void* block, size_t size) {
    CheckHeap();
    if (block == nullptr) {
      ++refused_;
      return;
    }
    ASSERT_GE(UsableSize(block), size);
    FillEnds(block, size, seed_ += 2);
    blocks_.push_back({block, size, seed_});
  }

  std::vector<Block> blocks_;
  uint64_t seed_ = 0;
  int refused_ = 0;
};

// Every kind of allocation, each in need of memory. Returns how many failed.
int AllKinds() {
  Attempts attempts;
  attempts.Plain(100);
  attempts.Plain(50000);
  attempts.Zeroed(300);
  attempts.Plain(kMiB);
  attempts.Resized(2 * kMiB);
  attempts.Resized(5 * kMiB);
  attempts.Zeroed(4 * kMiB);
  attempts.Aligned(kMiB, 4 * kMiB);
  attempts.Resized(9 * kMiB);
  attempts.Plain(10 * kMiB);
  attempts.Resized(14 * kMiB);
  attempts.Plain(10 * kMiB);
  attempts.Resized(30 * kMiB);
  attempts.Resized(12 * kMiB);
  attempts.Resized(3 * kMiB);
  attempts.Zeroed(17 * kMiB);
  attempts.Aligned(100, 32 * kMiB);
  attempts.Resized(20 * kMiB);
  attempts.Resized(40);
  return attempts.refused();
}

// One of each, to see that they can be had again.
int SomeKinds() {
  Attempts attempts;
  attempts.Plain(100);
  attempts.Zeroed(2 * kMiB);
  attempts.Plain(10 * kMiB);
  attempts.Resized(14 * kMiB);
  attempts.Aligned(100, 32 * kMiB);
  return attempts.refused();
}

// The calls that AllKinds makes when all goes well.
size_t CallsOfAllKinds(bool break_works) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  RunInFreshProcess([&] {
    if (!break_works) fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
    EXPECT_EQ(AllKinds(), 0);
    const size_t calls = fake_os::CountAll();
    EXPECT_EQ(write(ends[1], &calls, sizeof(calls)),
              static_cast<ssize_t>(sizeof(calls)));
  });
  size_t calls = 0;
  close(ends[1]);
  EXPECT_EQ(read(ends[0], &calls, sizeof(calls)),
            static_cast<ssize_t>(sizeof(calls)));
  close(ends[0]);
  return calls;
}

// Fails call n, and then calls n to n + times, of all that there are.
void FailEachCall(bool break_works, size_t times, bool leaves_holes = false) {
  const size_t calls = CallsOfAllKinds(break_works);
  printf("%zu calls\n", calls);
  ASSERT_GE(calls, 20U);
  for (size_t n = 1; n <= calls; ++n) {
    SCOPED_TRACE(testing::Message() << "call " << n << " of " << calls);
    RunInFreshProcess([&] {
      if (!break_works) fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
      if (leaves_holes) fake_os::RefusalsLeaveHoles();
      fake_os::FailAny(n, times);
      AllKinds();
      EXPECT_TRUE(fake_os::HasFailed());
      fake_os::EndShortage();
      EXPECT_EQ(SomeKinds(), 0) << "works again";
    });
    if (testing::Test::HasFailure()) return;
  }
}

TEST(OutOfMemory, EachCallFailsOnce) { FailEachCall(true, 1); }
TEST(OutOfMemory, EachCallFailsThrice) { FailEachCall(true, 3); }
TEST(OutOfMemory, FromEachCallOnAllFail) {
  FailEachCall(true, fake_os::kForEver);
}
TEST(OutOfMemory, EachCallFailsOnceWithoutABreak) { FailEachCall(false, 1); }
TEST(OutOfMemory, EachCallFailsOnceAndLeavesAHole) {
  FailEachCall(false, 1, /*leaves_holes=*/true);
}
TEST(OutOfMemory, EachCallFailsThriceAndLeavesHoles) {
  FailEachCall(false, 3, /*leaves_holes=*/true);
}
TEST(OutOfMemory, FromEachCallOnAllFailWithoutABreak) {
  FailEachCall(false, fake_os::kForEver);
}

CORE_TEST(OutOfMemory, NothingAtAllCanBeHad) {
  fake_os::FailAny(1, fake_os::kForEver);
  EXPECT_EQ(AllKinds(), 10) << "all but the resizing of nothing";
  EXPECT_EQ(g_central_heap.Counts().arenas, 0U);
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
  fake_os::EndShortage();
  EXPECT_EQ(AllKinds(), 0);
}

// RLIMIT_DATA: null at the limit, memory again after frees.
TEST(OutOfMemory, LimitIsReachedAndLeft) {
  for (const size_t size : {size_t{48}, size_t{1000}, size_t{30000},
                            size_t{100000}, 3 * kMiB, 9 * kMiB}) {
    SCOPED_TRACE(size);
    RunInFreshProcess([size] {
      fake_os::LimitMemory(60 * kMiB);
      size_t first_count = 0;
      for (int round = 0; round < 3; ++round) {
        std::vector<void*> blocks;
        while (void* block = Allocate(size)) {
          Fill(block, size, blocks.size());
          blocks.push_back(block);
        }
        CheckHeap();
        EXPECT_TRUE(fake_os::HasFailed());
        if (round == 0) first_count = blocks.size();
        // The first 16 MiB go to aligning the break.
        EXPECT_GE(blocks.size() * size, 30 * kMiB);
        EXPECT_GE(blocks.size(), first_count) << "round " << round;
        EXPECT_EQ(Allocate(size), nullptr) << "still";
        for (size_t i = 0; i < blocks.size(); ++i) {
          ASSERT_TRUE(HasPattern(blocks[i], size, i));
        }
        FreeAll(blocks);
        CheckHeap();
      }
      fake_os::EndShortage();
      EXPECT_NE(Allocate(size), nullptr);
    });
  }
}

// Memory freed in small cells serves large and huge blocks afterwards, and the
// other way round: nothing is bound to its first use.
CORE_TEST(OutOfMemory, MemoryChangesItsUse) {
  fake_os::LimitMemory(60 * kMiB);
  for (int round = 0; round < 3; ++round) {
    for (const size_t size : {size_t{64}, size_t{5000}, 2 * kMiB}) {
      std::vector<void*> blocks;
      while (void* block = Allocate(size)) blocks.push_back(block);
      EXPECT_GE(blocks.size() * size, 30 * kMiB) << size;
      FreeAll(blocks);
      CheckHeap();
    }
  }
}

// What is kept of freed huge blocks for the next ones is given up before the
// answer is null.
TEST(OutOfMemory, FreedHugeBlocksCanBeAnything) {
  for (const size_t first : {9 * kMiB, 20 * kMiB, 31 * kMiB}) {
    for (const size_t size :
         {size_t{64}, 2 * kMiB, 9 * kMiB, 14 * kMiB, 40 * kMiB}) {
      SCOPED_TRACE(testing::Message() << first << " then " << size);
      RunInFreshProcess([first, size] {
        Allocate(64);
        fake_os::LimitMemory(fake_os::UsableBytes() + 60 * kMiB);
        for (int round = 0; round < 2; ++round) {
          std::vector<void*> blocks;
          while (void* block = Allocate(first)) blocks.push_back(block);
          EXPECT_GE(blocks.size(), 50 * kMiB / first);
          FreeAll(blocks);
          blocks.clear();
          while (void* block = Allocate(size)) blocks.push_back(block);
          EXPECT_GE((blocks.size() + 1) * size, 40 * kMiB);
          FreeAll(blocks);
          if (size <= kMaxLargeSize) break;  // stays in the arenas
        }
      });
    }
  }
}

// The few free cells of blocks that wait to have more are used up before the
// answer is null.
CORE_TEST(OutOfMemory, TheLastFreeCellIsFound) {
  constexpr size_t kSize = 64;
  std::vector<void*> cells = AllocateMany(kSize, 4 * CellsPerBlock(kSize));
  fake_os::FailAny(1, fake_os::kForEver);
  while (void* cell = Allocate(kSize)) cells.push_back(cell);
  // One cell of each block: far from an eighth.
  const size_t step = CellsPerBlock(kSize);
  std::vector<void*> freed;
  for (size_t i = step / 2; i < cells.size(); i += step) {
    freed.push_back(cells[i]);
    Free(cells[i]);
    CheckHeap();
  }
  ASSERT_GE(freed.size(), 4U);
  for (size_t i = 0; i < freed.size(); ++i) {
    ASSERT_NE(Allocate(kSize), nullptr) << i << " of " << freed.size();
  }
  EXPECT_EQ(Allocate(kSize), nullptr);
}

// A cell that this thread itself was about to send to another heap is found
// too, though its block has no owner any longer and becomes a partial one only
// when the batch is routed.
CORE_TEST(OutOfMemory, ACellInAnOpenBatchIsFound) {
  constexpr size_t kSize = 5000;  // one cell is an eighth, and not yet a batch
  Allocate(kSize);
  Worker worker;
  std::vector<void*> cells;
  worker.Do([&] { cells = AllocateMany(kSize, CellsPerBlock(kSize)); });
  Free(cells[0]);
  ASSERT_NE(OwnerOf(cells[0]), nullptr) << "on its way";
  worker.Do([] { Allocate(kSize); });
  ASSERT_EQ(OwnerOf(cells[0]), nullptr) << "detached";
  TakeFreeGranules();
  fake_os::FailAny(1, fake_os::kForEver);
  bool found = false;
  while (void* cell = Allocate(kSize)) found |= cell == cells[0];
  EXPECT_TRUE(found);
}

// What is kept of freed huge blocks makes room for a new thread's heap too.
CORE_TEST(OutOfMemory, FreedHugeBlocksCanBeAThreadsHeap) {
  std::vector<std::unique_ptr<Worker>> workers;
  Allocate(64);
  void* huge = Allocate(20 * kMiB);
  TakeFreeGranules();
  Free(huge);
  fake_os::LimitMemory(fake_os::UsableBytes());
  // More heaps than a granule has room for.
  for (size_t i = 0; i <= kGranuleSize / sizeof(ThreadHeap); ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->Do([] { ASSERT_NE(AttachThread(), nullptr); });
  }
}

// A thread that cannot have a heap of its own still gets cells while there are
// some.
CORE_TEST(OutOfMemory, AThreadWithoutRoomForItsHeapIsServed) {
  std::vector<void*> cells = AllocateMany(64, 100);
  FreeAll(AllocateMany(kMiB, 3));
  // Use up all metadata space with heaps of live threads.
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 40; ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->Do([] { ASSERT_NE(Allocate(64), nullptr); });
  }
  while (Allocate(kGranuleSize + 1) != nullptr &&
         g_central_heap.Counts().backed_bytes < 100 * kMiB) {
  }
  fake_os::FailAny(1, fake_os::kForEver);
  while (Allocate(kGranuleSize + 1) != nullptr) {
  }
  while (Allocate(kGranuleSize) != nullptr) {
  }
  int served = 0;
  for (int i = 0; i < 40; ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->Do([&] {
      void* cell = Allocate(64);
      if (cell != nullptr) ++served;
      Free(cell);
      Free(cells[static_cast<size_t>(i)]);
    });
    CheckHeap();
  }
  printf("%d of 40 threads got a cell\n", served);
  fake_os::EndShortage();
  for (auto& worker : workers) {
    worker->Do([] { EXPECT_NE(Allocate(64), nullptr); });
  }
}

}  // namespace
}  // namespace memalloc
