// Free pages of blocks in which a few cells live: they go back to the system,
// the survivors keep their contents, and every cell can be had again, once.

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sparse_block.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::Call;

constexpr uint64_t kDelay = 1000;
constexpr size_t kPage = 4096;
constexpr size_t kPageSizes[] = {4096, 16384, 65536};
constexpr size_t kSomeSizes[] = {16,   48,    112,   1024,  1280, 5120,
                                 8192, 18432, 20480, 28672, 65536};

void Tick() {
  fake_os::PassTime(kDelay / 2);
  PassSlowPath();
  CheckHeap();
}

uintptr_t AddressOf(const void* cell) {
  return reinterpret_cast<uintptr_t>(cell);
}

// Blocks full of cells of one size, of which some are kept.
struct Sparse {
  size_t size;
  std::vector<void*> kept;
  std::vector<void*> freed;

  Sparse(size_t cell_size, size_t blocks, size_t keep_each) : size(cell_size) {
    const size_t per_block = CellsPerBlock(size);
    const std::vector<void*> cells = AllocateMany(size, blocks * per_block);
    for (size_t i = 0; i < cells.size(); ++i) {
      Fill(cells[i], size, 1);
      const bool stays = i % per_block % keep_each == keep_each / 2;
      (stays ? kept : freed).push_back(cells[i]);
    }
    // Another block is the current one.
    AllocateMany(size, 1);
    FreeAll(freed);
  }

  // Pages that have a part of a freed cell and none of a kept one.
  std::set<uintptr_t> FreePages(size_t page_size) const {
    std::set<uintptr_t> pages;
    for (const void* cell : freed) {
      for (uintptr_t p = RoundDown(AddressOf(cell), page_size);
           p < AddressOf(cell) + size; p += page_size) {
        pages.insert(p);
      }
    }
    for (const void* cell : kept) {
      for (uintptr_t p = RoundDown(AddressOf(cell), page_size);
           p < AddressOf(cell) + size; p += page_size) {
        pages.erase(p);
      }
    }
    return pages;
  }

  void ExpectContents() const {
    for (void* cell : kept) ASSERT_TRUE(HasPattern(cell, size, 1));
  }

  // Every freed cell can be had again, and none twice.
  void ExpectAllCanBeHad() const {
    const std::set<void*> wanted(freed.begin(), freed.end());
    std::set<void*> got;
    size_t found = 0;
    for (size_t i = 0; found < wanted.size(); ++i) {
      ASSERT_LT(i, wanted.size() + 3 * CellsPerBlock(size)) << found;
      void* cell = Allocate(size);
      ASSERT_TRUE(got.insert(cell).second);
      found += wanted.count(cell);
      Fill(cell, size, 2);
    }
    for (void* cell : got) ASSERT_TRUE(HasPattern(cell, size, 2));
    ExpectContents();
    CheckHeap();
  }
};

uint64_t PurgedBytes() { return g_central_heap.Counts().purged_bytes; }
BlockHeader* BlockOfFirst(const Sparse& sparse) {
  return BlockOfPointer(sparse.kept[0]);
}

// ---- what goes ----

TEST(Sparse, ExactlyTheFreePagesGo) {
  for (const size_t page_size : kPageSizes) {
    for (const size_t size : kSomeSizes) {
      for (const size_t keep_each : {7, 300, 5000}) {
        SCOPED_TRACE(testing::Message() << size << ", pages of " << page_size
                                        << ", one in " << keep_each);
        RunInFreshProcess([=] {
          fake_os::SetPageSize(page_size);
          const Sparse sparse(size, 4,
                              std::min<size_t>(keep_each, CellsPerBlock(size)));
          const std::set<uintptr_t> pages = sparse.FreePages(page_size);
          // Whoever has no cell to give is not looked at.
          g_central_heap.Trim(SIZE_MAX / 2);
          CheckHeap();
          if (size >= page_size || keep_each >= 300) {
            EXPECT_GE(PurgedBytes(), pages.size() * page_size);
            for (const uintptr_t page : pages) {
              ASSERT_TRUE(IsZero(reinterpret_cast<void*>(page), page_size));
            }
          }
          sparse.ExpectContents();
          EXPECT_FALSE(g_central_heap.Trim(SIZE_MAX / 2)) << "nothing is left";
          sparse.ExpectAllCanBeHad();
        });
      }
    }
  }
}

CORE_TEST(Sparse, CountsWhatGoes) {
  const Sparse sparse(112, 4, 300);
  EXPECT_TRUE(g_central_heap.Trim(SIZE_MAX / 2));
  const CentralCounts counts = g_central_heap.Counts();
  EXPECT_EQ(counts.live_bytes, (sparse.kept.size() + 1) * 112);
  EXPECT_EQ(counts.purged_bytes, fake_os::PurgedBytes());
  EXPECT_EQ(counts.purge_calls, fake_os::Count(Call::kPurge));
  EXPECT_LE(counts.purge_calls, 4U * 4) << "neighbours in one call";
}

CORE_TEST(Sparse, ABlockOfManySurvivorsIsLeftAlone) {
  const Sparse sparse(112, 4, 3);
  Tick();
  Tick();
  Tick();
  EXPECT_EQ(PurgedBytes(), 0U);
  sparse.ExpectAllCanBeHad();
}

CORE_TEST(Sparse, PagesGoSoonerWhereTheHeapGrows) {
  StartClock();
  const Sparse sparse(112, 4, 300);
  for (int i = 0; i < 3; ++i) {
    AllocateMany(size_t{4} << 20, 1);
    fake_os::PassTime(32);
    PassSlowPath();
  }
  EXPECT_GT(PurgedBytes(), 0U);
  sparse.ExpectAllCanBeHad();
}

// A page at a time.
CORE_TEST(Sparse, CellsComeBackAPageAtATime) {
  const Sparse sparse(64, 1, 1000);
  g_central_heap.Trim(SIZE_MAX / 2);
  BlockHeader* block = BlockOfFirst(sparse);
  ASSERT_GT(block->purged_cells, 0U);
  // What the pages of the survivors have comes first.
  while (block->free_list != 0 || block->owner.load() == nullptr) Allocate(64);
  const uint32_t before = block->purged_cells;
  while (block->purged_cells == before) Allocate(64);
  EXPECT_EQ(block->purged_cells, before - kPage / 64);
}

// ---- when ----

CORE_TEST(Sparse, GoesWhenItLayIdleFromTickToTick) {
  StartClock();
  const Sparse sparse(112, 2, 300);
  Tick();
  EXPECT_EQ(PurgedBytes(), 0U);
  // The first block is freed into meanwhile.
  Free(sparse.kept[0]);
  Tick();
  const uint64_t half = PurgedBytes();
  EXPECT_GT(half, 0U);
  EXPECT_EQ(BlockOfFirst(sparse)->purged_cells, 0U);
  EXPECT_GT(BlockOfPointer(sparse.kept.back())->purged_cells, 0U);
  Tick();
  EXPECT_GT(PurgedBytes(), half);
  EXPECT_GT(BlockOfFirst(sparse)->purged_cells, 0U);
}

CORE_TEST(Sparse, IsLookedAtOnce) {
  StartClock();
  const Sparse sparse(112, 2, 300);
  for (int i = 0; i < 3; ++i) Tick();
  EXPECT_EQ(OwnerOf(sparse.kept[0]), nullptr);
  const size_t calls = fake_os::Count(Call::kPurge);
  for (int i = 0; i < 10; ++i) Tick();
  // A cell more or less makes no difference.
  Free(sparse.kept[0]);
  EXPECT_EQ(OwnerOf(sparse.kept[0]), t_heap);
  for (int i = 0; i < 10; ++i) Tick();
  EXPECT_EQ(fake_os::Count(Call::kPurge), calls);
  // Whoever asks gets what there is.
  EXPECT_TRUE(g_central_heap.Trim(SIZE_MAX / 2));
  EXPECT_FALSE(g_central_heap.Trim(SIZE_MAX / 2));
}

CORE_TEST(Sparse, IsLookedAtAgainAfterAnEighthWasFreed) {
  StartClock();
  const Sparse sparse(112, 1, 2);
  for (int i = 0; i < 4; ++i) Tick();
  ASSERT_EQ(OwnerOf(sparse.kept[0]), nullptr);
  ASSERT_EQ(PurgedBytes(), 0U);
  const size_t eighth = CellsPerBlock(112) / 8;
  for (size_t i = 0; i + 1 < eighth; ++i) Free(sparse.kept[i]);
  for (int i = 0; i < 4; ++i) Tick();
  EXPECT_EQ(PurgedBytes(), 0U);
  Free(sparse.kept[eighth - 1]);
  for (int i = 0; i < 4; ++i) Tick();
  EXPECT_GT(PurgedBytes(), 0U);
}

CORE_TEST(Sparse, AFewBlocksAtATime) {
  StartClock();
  const Sparse sparse(1024, 500, 60);
  Tick();
  Tick();
  const uint64_t first = PurgedBytes();
  EXPECT_GT(first, 0U);
  EXPECT_LE(first, 64 * kGranuleSize);
  PassSlowPath();
  EXPECT_GT(PurgedBytes(), first) << "goes on without another tick";
  for (int i = 0; i < 20; ++i) PassSlowPath();
  EXPECT_GE(PurgedBytes(), sparse.FreePages(kPage).size() * kPage);
  sparse.ExpectContents();
}

CORE_TEST(Sparse, NeverIsNever) {
  SetOption(Option::kPurgeDelay, uint64_t{1} << 31);
  const Sparse sparse(112, 2, 300);
  for (int i = 0; i < 5; ++i) Tick();
  EXPECT_EQ(PurgedBytes(), 0U);
}

// ---- the end of a block ----

CORE_TEST(Sparse, BecomesEmptyAndGoesBack) {
  for (const size_t size : kSomeSizes) {
    SCOPED_TRACE(size);
    const uint64_t before = BlocksInUse();
    const Sparse sparse(size, 4, CellsPerBlock(size) / 2);
    const void* last = Allocate(1);
    g_central_heap.Trim(SIZE_MAX / 2);
    FreeAll(sparse.kept);
    CheckHeap();
    g_central_heap.Trim(SIZE_MAX / 2);
    EXPECT_LE(BlocksInUse(), before + 2) << last;
    CheckHeap();
  }
}

// What was purged inside of a block counts as clean only if it is.
CORE_TEST(Sparse, CallocGetsZerosFromItsGranules) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    const size_t size = kSomeSizes[random() % std::size(kSomeSizes)];
    const Sparse sparse(size, 2, 1 + random() % CellsPerBlock(size));
    g_central_heap.Trim(SIZE_MAX / 2);
    // Some come back and are written to.
    const std::vector<void*> again =
        AllocateMany(size, random() % (2 * CellsPerBlock(size)));
    for (void* cell : again) Fill(cell, size, 3);
    FreeAll(again);
    if (random() % 2 == 0) g_central_heap.Trim(SIZE_MAX / 2);
    FreeAll(sparse.kept);
    t_heap->ReleaseEmptyBlocks();
    CheckHeap();
    std::vector<void*> zeros;
    for (int i = 0; i < 30; ++i) {
      // Of one granule, so that each hole is used.
      void* zero = g_central_heap.AllocateLarge(1, kGranuleSize, true);
      ASSERT_TRUE(IsZero(zero, kGranuleSize)) << size;
      Fill(zero, kGranuleSize, 4);
      zeros.push_back(zero);
    }
    FreeAll(zeros);
  }
}

// All pages of a granule but one were purged, wherever that is.
CORE_TEST(Sparse, APageThatStayedMakesItsGranuleDirty) {
  for (const size_t size : {48, 64, 112, 1280, 5120}) {
    for (size_t i = 0; i < CellsPerBlock(size); i += 1 + 900 / size) {
      const std::vector<void*> cells = AllocateMany(size, CellsPerBlock(size));
      BlockHeader* block = BlockOfPointer(cells[i]);
      ASSERT_EQ(BlockOfPointer(cells[0]), block);
      ASSERT_EQ(BlockOfPointer(cells.back()), block);
      const size_t granules = block->granules;
      for (void* cell : cells) {
        Fill(cell, size, 1);
        if (cell != cells[i]) Free(cell);
      }
      g_central_heap.Trim(SIZE_MAX / 2);
      ASSERT_GT(block->purged_cells, 0U);
      Free(cells[i]);
      t_heap->ReleaseEmptyBlocks();
      ASSERT_NE(block->status, BlockStatus::kSmall);
      const GranuleBits dirty = ArenaHeaderOf(block)->dirty;
      for (size_t g = 0; g < granules; ++g) {
        const auto start = BlockStart(block) + g * kGranuleSize;
        ASSERT_TRUE(dirty.Has(GranuleOf(block) + g) ||
                    IsZero(reinterpret_cast<void*>(start), kGranuleSize))
            << size << ", cell " << i;
      }
      CheckHeap();
    }
  }
}

// ---- other threads ----

CORE_TEST(Sparse, BatchesArriveAtABlockWithPurgedPages) {
  Worker worker;
  std::vector<void*> cells;
  worker.Do([&] { cells = AllocateMany(64, 1024); });
  // The worker owns the block and has one cell in two thirds of the pages.
  worker.Do([&] {
    Allocate(64);
    for (size_t i = 0; i < 1024; ++i) {
      if (i % 100 != 0) Free(cells[i]);
    }
    g_central_heap.Trim(SIZE_MAX / 2);
    // It is the worker's again.
    Free(cells[0]);
  });
  BlockHeader* block = BlockOfPointer(cells[0]);
  ASSERT_GT(block->purged_cells, 0U);
  ASSERT_NE(block->owner.load(), nullptr);
  for (size_t i = 100; i < 1024; i += 100) Free(cells[i]);
  if (!IsStandIn(t_heap)) t_heap->Flush();
  CheckHeap();
  worker.Do([] { t_heap->Flush(); });
  CheckHeap();
  worker.Do([&] {
    g_central_heap.Trim(SIZE_MAX / 2);
    EXPECT_NE(block->status, BlockStatus::kSmall) << "it became empty";
  });
}

CORE_TEST(Sparse, OrphansGoToo) {
  StartClock();
  std::vector<void*> kept;
  Worker worker;
  worker.Do([&] { kept = Sparse(112, 3, 300).kept; });
  EndAndEmpty(worker);
  ASSERT_TRUE(BlockOfPointer(kept[0])->IsOrphan());
  Tick();
  EXPECT_EQ(BlockOfPointer(kept[0])->purged_cells, 0U) << "not at once";
  Tick();
  Tick();
  EXPECT_GT(BlockOfPointer(kept[0])->purged_cells, 0U);
  EXPECT_TRUE(BlockOfPointer(kept[0])->IsOrphan());
  for (void* cell : kept) ASSERT_TRUE(HasPattern(cell, 112, 1));
  FreeAll(kept);
  CheckHeap();
}

// The central heap hands out a cell at a time, and takes them back.
CORE_TEST(Sparse, ThreadsWithoutAHeapUseThem) {
  const Sparse sparse(64, 1, 1000);
  g_central_heap.Trim(SIZE_MAX / 2);
  ASSERT_TRUE(BlockOfFirst(sparse)->IsOrphan());
  ThreadHeap* mine = t_heap;
  t_heap = &g_gone_heap;
  sparse.ExpectAllCanBeHad();
  EXPECT_EQ(BlockOfFirst(sparse)->purged_cells, 0U);
  FreeAll(sparse.freed);
  FreeAll(sparse.kept);
  EXPECT_NE(BlockOfFirst(sparse)->status, BlockStatus::kSmall);
  t_heap = mine;
  CheckHeap();
}

CORE_TEST(Sparse, InAForkedChild) {
  const Sparse sparse(112, 3, 300);
  g_central_heap.Trim(SIZE_MAX / 2);
  InForkedChild([&] {
    EXPECT_GT(BlockOfFirst(sparse)->purged_cells, 0U);
    sparse.ExpectAllCanBeHad();
  });
  sparse.ExpectAllCanBeHad();
}

// What another thread may have claimed is written off: no cell comes twice.
CORE_TEST(Sparse, InAForkedChildOfThreads) {
  const Sparse sparse(112, 3, 300);
  g_central_heap.Trim(SIZE_MAX / 2);
  Worker worker;
  worker.Do([] { Allocate(1); });
  InForkedChild([&] {
    CheckHeap();
    EXPECT_EQ(BlockOfFirst(sparse)->purged_cells, 0U);
    for (void* cell : AllocateMany(112, 3000)) Fill(cell, 112, 2);
    sparse.ExpectContents();
    FreeAll(sparse.kept);
    CheckHeap();
  });
}

// ---- the kernel refuses ----

CORE_TEST(Sparse, WhatTheKernelRefusesStays) {
  for (size_t nth = 1; nth < 12; ++nth) {
    SCOPED_TRACE(nth);
    const Sparse sparse(112, 3, 300);
    fake_os::Fail(Call::kPurge, nth, nth % 3 == 0 ? fake_os::kForEver : 2);
    g_central_heap.Trim(SIZE_MAX / 2);
    CheckHeap();
    fake_os::EndShortage();
    sparse.ExpectAllCanBeHad();
  }
}

CORE_TEST(Sparse, WhatInterruptsAPurgeFindsTheBlockSound) {
  static const Sparse* sparse;
  static const Sparse made(112, 3, 300);
  sparse = &made;
  fake_os::Before(Call::kPurge, [] {
    // As by a signal's handler.
    CheckHeap();
    FreeAll(sparse->kept);
    AllocateMany(112, 100);
    Tick();
    g_central_heap.Trim(SIZE_MAX / 2);
    CheckHeap();
  });
  g_central_heap.Trim(SIZE_MAX / 2);
  CheckHeap();
  for (void* cell : AllocateMany(112, 5000)) Fill(cell, 112, 2);
  CheckHeap();
}

// ---- random steps ----

void RandomSteps(uint64_t seed, size_t size, int steps) {
  std::mt19937_64 random(seed);
  std::vector<void*> live;
  for (int step = 0; step < steps; ++step) {
    const uint64_t what = random() % 1000;
    const bool grows = step / 750 % 2 == 0;
    if (live.empty() || what < (grows ? 800U : 200U)) {
      live.push_back(Allocate(size));
      Fill(live.back(), size, seed);
    } else if (what < 990) {
      const size_t index = random() % live.size();
      ASSERT_TRUE(HasPattern(live[index], size, seed));
      Free(live[index]);
      live[index] = live.back();
      live.pop_back();
    } else if (what < 998) {
      fake_os::PassTime(random() % kDelay);
      PassSlowPath();
    } else {
      g_central_heap.Trim(SIZE_MAX / 2);
    }
    if (random() % 128 == 0) CheckHeap();
  }
  for (void* cell : live) ASSERT_TRUE(HasPattern(cell, size, seed));
  FreeAll(live);
  CheckHeap();
}

TEST(Sparse, RandomSteps) {
  for (const size_t page_size : kPageSizes) {
    for (const size_t size : kSomeSizes) {
      SCOPED_TRACE(testing::Message() << size << ", pages of " << page_size);
      RunInFreshProcess([=] {
        fake_os::SetPageSize(page_size);
        RandomSteps(size, size, 3000);
        g_central_heap.Trim(0);
      });
    }
  }
}

}  // namespace
}  // namespace memalloc
