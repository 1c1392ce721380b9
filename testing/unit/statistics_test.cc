// Statistics: what each part and count stands for, of heaps that are known to
// the cell; and that no thread at work disturbs them.

#include "memalloc/observe/statistics.h"

#include <string.h>

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/observe/statistics_parts.h"
#include "memalloc/os/os.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"
#include "testing/unit/worker.h"

namespace memalloc {
namespace {

using Statistics = struct memalloc_statistics;
using Row = struct memalloc_class_statistics;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = kKiB * kKiB;

// The parts sum to the whole and classes to their parts, always.
Statistics Take() {
  Statistics s;
  TakeStatistics(&s, Residents::kLookAt);
  struct memalloc_extent sum = {};
  for (const Part& part : kParts) {
    const struct memalloc_extent& extent = s.*part.extent;
    sum.bytes += extent.bytes;
    sum.resident += extent.resident;
  }
  EXPECT_EQ(sum.bytes, s.total.bytes);
  EXPECT_EQ(sum.resident, s.total.resident);
  EXPECT_LE(sum.resident, sum.bytes);
  uint64_t live = 0;
  uint64_t blocks = 0;
  for (const Row& row : s.classes) {
    live += row.live * row.cell_size;
    blocks += row.memory.bytes;
    EXPECT_LE(row.frees, row.allocations) << row.cell_size;
  }
  EXPECT_EQ(live, s.live_cells.bytes);
  EXPECT_EQ(blocks, s.live_cells.bytes + s.bins.bytes + s.magazines.bytes +
                        s.travelling.bytes + s.free_cells.bytes +
                        s.purged_cells.bytes + s.uncarved.bytes);
  return s;
}

Row Of(size_t size) { return Take().classes[SizeClassOf(size)]; }

uint64_t Cells(const Row& row) {
  return row.live + row.at_hand + row.travelling + row.free + row.purged +
         row.uncarved;
}

void FreeEach(const std::vector<void*>& cells, size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i) Free(cells[i]);
}

CORE_TEST(Statistics, OfAnEmptyHeapAreZero) {
  const Statistics s = Take();
  EXPECT_EQ(s.total.bytes, s.address_map.bytes);
  EXPECT_EQ(s.allocations, 0U);
  EXPECT_EQ(s.threads, 0U);
  EXPECT_EQ(s.knows_residents, 1U);
}

CORE_TEST(Statistics, CountCells) {
  const std::vector<void*> cells = AllocateMany(64, 100);
  Row row = Of(64);
  EXPECT_EQ(row.cell_size, 64U);
  EXPECT_EQ(row.blocks, 1U);
  EXPECT_EQ(row.live, 100U);
  EXPECT_EQ(row.allocations, 100U);
  EXPECT_EQ(row.frees, 0U);
  EXPECT_EQ(row.free, 0U);
  EXPECT_EQ(Cells(row), CellsPerBlock(64));
  FreeEach(cells, 0, 30);
  row = Of(64);
  EXPECT_EQ(row.live, 70U);
  EXPECT_EQ(row.free, 30U);
  EXPECT_EQ(row.allocations, 100U);
  EXPECT_EQ(row.frees, 30U);
  // The freed ones are handed out again.
  AllocateMany(64, 30);
  row = Of(64);
  EXPECT_EQ(row.live, 100U);
  EXPECT_EQ(row.allocations, 130U);
  EXPECT_EQ(Cells(row), CellsPerBlock(64));
}

// Of 64 KiB, in pages of which each is touched.
CORE_TEST(Statistics, CountBinsAndWhatIsNotCarved) {
  Allocate(64);
  const Statistics s = Take();
  const Row row = s.classes[SizeClassOf(64)];
  EXPECT_EQ(row.live, 1U);
  EXPECT_EQ(row.at_hand, 4096 / 64 - 1);
  EXPECT_EQ(s.bins.bytes, 64 * row.at_hand);
  EXPECT_EQ(s.bins.resident, s.bins.bytes);
  EXPECT_EQ(row.uncarved, CellsPerBlock(64) - 64);
  EXPECT_EQ(row.memory.resident, os::PageSize());
}

CORE_TEST(Statistics, CountMagazines) {
  Allocate(16);  // a heap
  Worker other;
  std::vector<void*> cells;
  other.Do([&] { cells = AllocateMany(3000, 8); });
  FreeEach(cells, 0, 2);
  Statistics s = Take();
  EXPECT_EQ(s.magazines.bytes, 2 * CellSize(SizeClassOf(3000)));
  EXPECT_EQ(s.classes[SizeClassOf(3000)].frees, 2U);
  Allocate(3000);
  s = Take();
  EXPECT_EQ(s.magazines.bytes, CellSize(SizeClassOf(3000)));
  EXPECT_EQ(s.classes[SizeClassOf(3000)].allocations, 9U);
  EXPECT_EQ(s.classes[SizeClassOf(3000)].live, 7U);
}

// In an open batch, an outbox, and the inbox, until the owner takes them in.
CORE_TEST(Statistics, CountWhatTravels) {
  Worker owner;
  std::vector<void*> cells;
  owner.Do([&] { cells = AllocateMany(64, 600); });
  Allocate(16);  // a heap, so that batches are made
  for (const size_t freed : {size_t{1}, size_t{40}, size_t{200}}) {
    static size_t so_far = 0;
    FreeEach(cells, so_far, freed - so_far);
    so_far = freed;
    const Row row = Of(64);
    EXPECT_EQ(row.travelling, freed);
    EXPECT_EQ(row.live, 600 - freed);
    EXPECT_EQ(row.frees, freed);
  }
  InForkedChild([] {
    EXPECT_LE(Of(64).travelling, 200U) << "the rest is lost, not counted twice";
  });
}

CORE_TEST(Statistics, CountLargeBlocks) {
  Allocate(16);  // a heap, which has magazines
  char* block = static_cast<char*>(Allocate(600 * kKiB));
  void* other = Allocate(2 * kMiB);
  memset(block, 1, 100 * kKiB);
  Statistics s = Take();
  EXPECT_EQ(s.large_blocks, 2U);
  EXPECT_EQ(s.live_large.bytes, 10 * kGranuleSize + 2 * kMiB);
  EXPECT_EQ(s.live_large.resident,
            (100 * kKiB + os::PageSize() - 1) & ~(os::PageSize() - 1));
  Free(block);
  s = Take();
  EXPECT_EQ(s.large_magazines.bytes, 10 * kGranuleSize);
  EXPECT_EQ(s.large_frees, 1U);
  EXPECT_EQ(Allocate(600 * kKiB), block);
  s = Take();
  EXPECT_EQ(s.large_allocations, 3U);
  Free(other);
  s = Take();
  EXPECT_EQ(s.large_blocks, 1U);
  EXPECT_EQ(s.large_frees, 2U);
  EXPECT_EQ(s.allocations - s.frees, 2U);
}

CORE_TEST(Statistics, CountHugeBlocks) {
  void* block = Allocate(20 * kMiB);
  void* moved = Reallocate(block, 50 * kMiB);
  Statistics s = Take();
  EXPECT_EQ(s.huge_blocks, 1U);
  EXPECT_EQ(s.live_huge.bytes, 50 * kMiB);
  EXPECT_EQ(s.live_huge.resident, 0U);
  EXPECT_EQ(s.huge_allocations, 1U) << "one that grew";
  memset(moved, 1, 3 * kMiB);
  EXPECT_EQ(Take().live_huge.resident, 3 * kMiB);
  Free(moved);
  s = Take();
  EXPECT_EQ(s.huge_cache.bytes, 50 * kMiB);
  EXPECT_EQ(s.huge_cache.resident, 3 * kMiB);
  EXPECT_EQ(s.huge_frees, 1U);
  Allocate(40 * kMiB);
  s = Take();
  EXPECT_EQ(s.live_huge.bytes, 40 * kMiB);
  EXPECT_EQ(s.huge_spare.bytes, 10 * kMiB);
}

// A survivor in each eighth page.
CORE_TEST(Statistics, CountPurgedCells) {
  const size_t cells_in_page = os::PageSize() / 64;
  const std::vector<void*> cells = AllocateMany(64, 4 * CellsPerBlock(64));
  uint64_t live = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i % (8 * cells_in_page) == 0) {
      ++live;
    } else {
      Free(cells[i]);
    }
  }
  g_central_heap.Trim(0);
  const Statistics s = Take();
  const Row row = s.classes[SizeClassOf(64)];
  EXPECT_EQ(row.live, live);
  EXPECT_EQ(row.purged > row.free, os::PageSize() < kGranuleSize);
  EXPECT_EQ(row.allocations - row.frees, live);
  EXPECT_EQ(s.purged_cells.resident, 0U);
  EXPECT_EQ(s.free_runs.resident, 0U);
  EXPECT_EQ(s.free_cells.resident, s.free_cells.bytes);
}

CORE_TEST(Statistics, CountThreads) {
  Allocate(16);
  {
    Worker worker;
    worker.Do([] { Allocate(16); });
    EXPECT_EQ(Take().threads, 2U);
    EXPECT_EQ(Take().parked_heaps, 0U);
    worker.End();
  }
  Statistics s = Take();
  EXPECT_EQ(s.threads, 1U);
  EXPECT_EQ(s.parked_heaps, 1U);
  EXPECT_EQ(s.classes[0].live, 2U);
  EmptyParkedHeaps();
  s = Take();
  EXPECT_EQ(s.parked_heaps, 0U);
  EXPECT_EQ(s.idle_heaps, 1U);
  EXPECT_EQ(s.classes[0].allocations, 2U);
}

// Without a heap of its own, cell by cell.
CORE_TEST(Statistics, CountWhatTheCentralHeapServes) {
  FreeCell* cell = g_central_heap.AllocateCell(SizeClassOf(64));
  EXPECT_EQ(Of(64).live, 1U);
  EXPECT_EQ(Of(64).allocations, 1U);
  Free(cell);
  EXPECT_EQ(Of(64).frees, 1U);
}

CORE_TEST(Statistics, LocksTellWhoWaited) {
  Lock lock;
  EXPECT_TRUE(lock.AcquireUnlessHeld());
  EXPECT_EQ(lock.acquisitions(), 1U);
  EXPECT_FALSE(lock.AcquireUnlessHeld()) << "held already";
  EXPECT_EQ(lock.waits(), 0U);
  lock.Release();
  // Until the other thread came while the lock was held.
  uint64_t rounds = 0;
  while (lock.waits() == 0) {
    ++rounds;
    EXPECT_TRUE(lock.AcquireUnlessHeld());
    std::thread other([&] { const LockHolder holder(lock); });
    std::this_thread::yield();
    lock.Release();
    other.join();
  }
  EXPECT_EQ(lock.waits(), 1U);
  EXPECT_EQ(lock.acquisitions(), 1 + 2 * rounds);
}

CORE_TEST(Statistics, LocksTellWhoHasThem) {
  Lock lock;
  EXPECT_EQ(lock.Look(), LockState::kFree);
  const LockHolder holder(lock);
  EXPECT_EQ(lock.Look(), LockState::kHeldHere);
  std::thread([&] { EXPECT_EQ(lock.Look(), LockState::kHeld); }).join();
}

// Whatever threads do meanwhile: Take checks the sums.
CORE_TEST(Statistics, BearThreadsAtWork) {
  std::atomic<bool> ends{false};
  std::atomic<void*> mailbox[64] = {};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      uint64_t random = t + 1;
      while (!ends) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const size_t size = (random >> 40) % (random >> 60 == 0 ? 300000 : 900);
        Free(mailbox[random >> 58].exchange(Allocate(size)));
      }
    });
  }
  Statistics last = {};
  for (int i = 0; i < 100; ++i) {
    const Statistics now = Take();
    for (size_t c = 0; c < MEMALLOC_SIZE_CLASSES; ++c) {
      EXPECT_GE(now.classes[c].allocations, last.classes[c].allocations);
      EXPECT_GE(now.classes[c].frees, last.classes[c].frees);
    }
    last = now;
  }
  ends = true;
  for (std::thread& thread : threads) thread.join();
  for (std::atomic<void*>& letter : mailbox) Free(letter.load());
  EXPECT_EQ(Take().live_large.bytes, 0U);
}

}  // namespace
}  // namespace memalloc
