// The table of blocks, and the marks; see heap_graph.h.

#include "memalloc/observe/heap_graph.h"

#include <string.h>

#include <algorithm>

#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/hardened/canary.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/layout/free_cell.h"

namespace memalloc {
namespace {

// Of a mark.
constexpr size_t kWordBits = 64;

// Memory that is free may be allocated, and lead on, before it is looked into.
bool IsNode(BlockStatus status) {
  return status == BlockStatus::kSmall || status == BlockStatus::kLarge ||
         status == BlockStatus::kFree || status == BlockStatus::kPurging;
}

class Measure final : public HeapVisitor {
 public:
  void OnThreadHeap(const ThreadHeapView&) override {}
  void OnArena(const ArenaHeader&) override { ++size.ranges; }
  void OnBlock(const ArenaHeader&, const BlockHeader& block) override {
    if (block.status == BlockStatus::kForeign) ++size.ranges;
    if (!IsNode(block.status)) return;
    ++size.blocks;
    size.allocations +=
        block.status == BlockStatus::kSmall ? block.capacity : 1;
  }
  void OnHuge(const ArenaHeader&, bool) override {
    ++size.ranges;
    ++size.blocks;
    ++size.allocations;
  }

  HeapSize size;
};

// What appears until the heap is looked at again.
HeapSize WithSlack(HeapSize size) {
  constexpr size_t kMore = 1024;
  return {size.blocks + size.blocks / 8 + kMore,
          size.allocations + size.allocations / 8 + kMore * kMore,
          size.ranges + size.ranges / 8 + kMore};
}

}  // namespace

HeapSize MeasureHeap() {
  Measure measure;
  g_central_heap.Walk(&measure);
  const GuardCounts guarded = g_guard_pool.Counts();
  measure.size.blocks += guarded.live;
  measure.size.allocations += guarded.live;
  return measure.size;
}

HeapGraph::HeapGraph(const HeapSize& size)
    : room_(WithSlack(size)),
      blocks_(room_.blocks * sizeof(Block)),
      marks_(RoundUp(room_.allocations, kWordBits) / 8),
      saved_marks_(marks_.bytes()),
      ranges_(room_.ranges * sizeof(MemoryRange)) {
  is_whole_ = blocks_.As<Block>() != nullptr &&
              marks_.As<uint64_t>() != nullptr &&
              saved_marks_.As<uint64_t>() != nullptr &&
              ranges_.As<MemoryRange>() != nullptr;
}

// Neighbours are joined, as the granules of an arena come one after the other.
void HeapGraph::AddOwn(uintptr_t start, uintptr_t end) {
  if (!is_whole_ || start == end) return;
  auto* ranges = ranges_.As<MemoryRange>();
  if (range_count_ > 0 && ranges[range_count_ - 1].end == start) {
    ranges[range_count_ - 1].end = end;
    return;
  }
  is_whole_ = range_count_ < room_.ranges;
  if (is_whole_) ranges[range_count_++] = {start, end};
}

void HeapGraph::Add(uintptr_t start, size_t cell_size, size_t cells,
                    uintptr_t key) {
  if (!is_whole_ || cells == 0) return;
  is_whole_ = block_count_ < room_.blocks &&
              room_.allocations - allocation_count_ >= cells;
  if (!is_whole_) return;
  blocks()[block_count_++] = {start, cell_size, 0, key,
                              static_cast<uint32_t>(cells)};
  allocation_count_ += cells;
}

void HeapGraph::OnArena(const ArenaHeader& arena) {
  AddOwn(arena.Start(), arena.Start() + kGranuleSize);
}

void HeapGraph::OnBlock(const ArenaHeader&, const BlockHeader& block) {
  // Somebody else's memory between ours may lead anywhere.
  if (block.status == BlockStatus::kForeign) return;
  const uintptr_t start = BlockStart(&block);
  const size_t bytes = Max<size_t>(1, block.granules) * kGranuleSize;
  AddOwn(start, start + bytes);
  if (block.status == BlockStatus::kSmall) {
    Add(start, block.cell_size, block.capacity,
        kHasChecks ? block.link_key : 0);
  } else if (IsNode(block.status)) {
    Add(start, bytes, 1, 0);
  }
}

// One that is cached may be in use again before it is looked into, with any
// size that fits.
void HeapGraph::OnHuge(const ArenaHeader& mapping, bool) {
  AddOwn(mapping.Start(), mapping.huge.start + mapping.huge.mapped);
  Add(mapping.huge.start, mapping.huge.mapped, 1, 0);
}

void HeapGraph::AddGuardPool() {
  const uintptr_t start = g_guard_pool.Start();
  AddOwn(start, start + g_guard_pool.Bytes());
  g_guard_pool.ForLive([this](const GuardSlot& slot) {
    Add(slot.start, slot.size, slot.size == 0 ? 0 : 1, 0);
  });
}

bool HeapGraph::Take() {
  g_central_heap.Walk(this);
  AddGuardPool();
  if (is_whole_) Sort();
  return is_whole_;
}

void HeapGraph::Sort() {
  std::sort(blocks(), blocks() + block_count_,
            [](const Block& a, const Block& b) { return a.start < b.start; });
  uint64_t first = 0;
  for (size_t i = 0; i < block_count_; ++i) {
    blocks()[i].first = first;
    first += blocks()[i].cells;
  }
  auto* ranges = ranges_.As<MemoryRange>();
  std::sort(ranges, ranges + range_count_,
            [](const MemoryRange& a, const MemoryRange& b) {
              return a.start < b.start;
            });
}

bool HeapGraph::Find(uintptr_t address, Node* node) const {
  if (g_address_map.Find(address) == SlotKind::kForeign) return false;
  const Block* first = blocks();
  const Block* behind = std::upper_bound(
      first, first + block_count_, address,
      [](uintptr_t a, const Block& block) { return a < block.start; });
  if (behind == first) return false;
  const Block* block = behind - 1;
  const size_t cell = (address - block->start) / block->cell_size;
  *node = {static_cast<uint32_t>(block - first), static_cast<uint32_t>(cell)};
  return cell < block->cells;
}

bool HeapGraph::IsFree(Node node, const char* copy, size_t bytes) const {
  const Block& block = blocks()[node.block];
  if (block.key == 0) return false;
  if constexpr (kIsHardened) {
    // Of a cell in the quarantine only its end tells.
    uint64_t end;
    memcpy(&end, copy + bytes - kEndSize, kEndSize);
    const Room room = {reinterpret_cast<uintptr_t>(&end), kEndSize};
    size_t cleared;
    if (IsMarkedFree(room, CanaryOf(RangeOf(node).start), block.key, 0,
                     &cleared)) {
      return true;
    }
  }
  FreeCell cell = {};
  memcpy(&cell.link, copy, sizeof(cell.link));
  if (!cell.HasFreeTag()) return false;
  const uintptr_t next = cell.Next(block.key);
  return next == 0 || next - block.start < block.cells * block.cell_size;
}

bool HeapGraph::Mark(Node node) {
  if (IsMarked(node)) return false;
  const uint64_t number = NumberOf(node);
  marks_.As<uint64_t>()[number / kWordBits] |= uint64_t{1}
                                               << number % kWordBits;
  return true;
}

bool HeapGraph::IsMarked(Node node) const {
  const uint64_t number = NumberOf(node);
  return (marks_.As<uint64_t>()[number / kWordBits] >> number % kWordBits &
          1) != 0;
}

void HeapGraph::SaveMarks() {
  memcpy(saved_marks_.As<char>(), marks_.As<char>(), allocation_count_ / 8 + 1);
}

void HeapGraph::RestoreMarks() {
  memcpy(marks_.As<char>(), saved_marks_.As<char>(), allocation_count_ / 8 + 1);
}

}  // namespace memalloc
