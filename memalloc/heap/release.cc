// The slow path of free: claims detached blocks, wakes full ones, retires
// empty ones.

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"

namespace memalloc {
namespace {

// Free cells that make a full block worth a refill: an eighth of its cells.
// With fewer, a full heap under random churn would take a slow path at every
// operation.
uint32_t WakeCount(const BlockHeader* block) {
  return Max(1U, block->capacity / 8U);
}

}  // namespace

void ThreadHeap::Claim(BlockHeader* block) {
  // What a refill could hand out: an orphan may not be carved to its end.
  const uint32_t available =
      block->FreeCells() + (block->capacity - block->carved);
  const uint32_t wake = WakeCount(block);
  if (available + 1 < wake) {
    block->place = BlockPlace::kWaiting;
    waiting_[block->size_class].PushFront(block);
    block->ExpectFrees(wake - available);
  } else {
    block->place = BlockPlace::kPartial;
    partial_[block->size_class].PushFront(block);
    block->ExpectFrees(block->UsedCells());
  }
}

void ThreadHeap::OnCountdown(BlockHeader* block) noexcept {
  if (block->place == BlockPlace::kCurrent) {
    block->ExpectFrees(kNoCountdown);
    return;
  }
  if (block->place == BlockPlace::kWaiting) {
    waiting_[block->size_class].Remove(block);
    partial_[block->size_class].PushFront(block);
    block->place = BlockPlace::kPartial;
  }
  const uint32_t used = block->UsedCells();
  if (used == 0) {
    Retire(block);
  } else {
    block->ExpectFrees(used);
  }
}

// The block is empty. It stays if the class would have no other: a loop that
// allocates and frees a blockful then leaves the central heap alone.
void ThreadHeap::Retire(BlockHeader* block) {
  BlockList& partial = partial_[block->size_class];
  if (partial.first() == block && block->next == nullptr) return;
  partial.Remove(block);
  g_central_heap.ReleaseSmallBlock(block);
  DrainInbox();
}

bool ThreadHeap::IsListed(const BlockHeader* block, const FreeCell* cell) {
  DrainInbox();
  const uintptr_t lists[] = {
      block->free_list,
      current_[block->size_class] == block ? AddressOf(bins_[block->size_class])
                                           : 0,
  };
  for (uintptr_t next : lists) {
    for (uint32_t i = 0; i < block->capacity && IsInBlock(block, next); ++i) {
      if (next == AddressOf(cell)) return true;
      next = CellAt(next)->Next(key_);
    }
  }
  return false;
}

bool ThreadHeap::ReleaseEmptyBlocks() {
  bool any = false;
  Flush();
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    BlockHeader* block = current_[c];
    if (block != nullptr) {
      EmptyBin(block);
      if (block->UsedCells() == 0) {
        current_[c] = nullptr;
        g_central_heap.ReleaseSmallBlock(block);
        any = true;
      }
    }
    BlockHeader* next;
    for (block = partial_[c].first(); block != nullptr; block = next) {
      next = block->next;
      if (block->UsedCells() != 0) continue;
      partial_[c].Remove(block);
      g_central_heap.ReleaseSmallBlock(block);
      any = true;
    }
  }
  return any;
}

}  // namespace memalloc
