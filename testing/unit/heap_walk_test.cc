// The walk tells a visitor all that the heap has, and the heap map writes it
// down.

#include "memalloc/heap/heap_walk.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/huge_mapping.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using ::testing::ElementsAre;

constexpr size_t kMiB = 1024 * 1024;

// What was told. Its storage is not the core's.
class Sums final : public HeapVisitor {
 public:
  void OnThreadHeap(const ThreadHeapView& view) override {
    heaps[view.heap] = view.state;
    threads[view.heap] = view.thread;
  }
  void OnArena(const ArenaHeader& arena) override {
    ++arenas;
    EXPECT_EQ(granule_, limit_) << "the arena before has a gap at its end";
    granule_ = 1;
    limit_ = arena.limit;
  }
  void OnBlock(const ArenaHeader& arena, const BlockHeader& block) override {
    EXPECT_EQ(ArenaHeaderOf(&block), &arena);
    EXPECT_EQ(GranuleOf(&block), granule_);
    granule_ += block.granules;
    granules[block.status] += block.granules;
    if (block.status == BlockStatus::kSmall) {
      cells[block.cell_size] += block.UsedCells();
    }
    if (block.IsLargeInUse()) large.push_back(block.cell_size);
  }
  void OnHuge(const ArenaHeader& mapping, bool is_cached) override {
    (is_cached ? cached : huge).push_back(mapping.huge.mapped);
  }

  size_t arenas = 0;
  std::map<const ThreadHeap*, HeapState> heaps;
  std::map<const ThreadHeap*, uintptr_t> threads;
  std::map<BlockStatus, size_t> granules;
  std::map<uint32_t, uint32_t> cells;
  std::vector<size_t> large;
  std::vector<size_t> huge;
  std::vector<size_t> cached;

 private:
  size_t granule_ = 0;
  size_t limit_ = 0;
};

CORE_TEST(HeapWalk, TellsBlocksOfAllKinds) {
  const std::vector<void*> cells = AllocateMany(700, 50);
  AllocateMany(3000, 7);
  Allocate(3 * kMiB);
  void* free_run = Allocate(2 * kMiB);
  Allocate(kMiB);
  Allocate(20 * kMiB);
  Free(Allocate(30 * kMiB));
  Free(free_run);
  for (size_t i = 0; i < 20; ++i) Free(cells[i]);
  Sums sums;
  g_central_heap.Walk(&sums);
  EXPECT_EQ(sums.arenas, 1U);
  // With what the bin has ready: cells that begin in the same page.
  EXPECT_GE(sums.cells[704], 30U);
  EXPECT_LE(sums.cells[704], 36U);
  EXPECT_GE(sums.cells[3072], 7U);
  EXPECT_THAT(sums.large, ElementsAre(3 * kMiB, kMiB));
  EXPECT_THAT(sums.huge, ElementsAre(20 * kMiB));
  EXPECT_THAT(sums.cached, ElementsAre(30 * kMiB));
  EXPECT_GE(sums.granules[BlockStatus::kFree], 2 * kMiB / kGranuleSize);
  const CentralCounts counts = g_central_heap.Counts();
  size_t all = sums.arenas;
  for (const auto& [status, granules] : sums.granules) all += granules;
  // The table of the huge block counts, that of a cached mapping does not.
  EXPECT_EQ((all + 1) * kGranuleSize + 50 * kMiB, counts.backed_bytes);
}

CORE_TEST(HeapWalk, TellsThreadHeaps) {
  Allocate(100);
  Worker living;
  Worker ended;
  ThreadHeap* heaps[2] = {};
  living.Do([&] { heaps[0] = OwnerOf(Allocate(100)); });
  ended.Do([&] { heaps[1] = OwnerOf(Allocate(100)); });
  ended.End();
  Sums sums;
  g_central_heap.Walk(&sums);
  EXPECT_EQ(sums.heaps.size(), 3U);
  EXPECT_EQ(sums.heaps[t_heap], HeapState::kInUse);
  EXPECT_EQ(sums.threads[t_heap], pthread_self());
  EXPECT_EQ(sums.heaps[heaps[0]], HeapState::kInUse);
  EXPECT_NE(sums.threads[heaps[0]], pthread_self());
  EXPECT_EQ(sums.heaps[heaps[1]], HeapState::kParked);
  EmptyParkedHeaps();
  Sums later;
  g_central_heap.Walk(&later);
  EXPECT_EQ(later.heaps[heaps[1]], HeapState::kIdle);
}

}  // namespace
}  // namespace memalloc
