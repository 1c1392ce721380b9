// Blocks without an owner that have cells to hand out, and the central heap's
// own hands on blocks for threads that have no heap.
//
// An orphan is in its class's list and has owner null. Both ways to it are
// open at once: a thread that frees into it claims it by exchanging the owner,
// without the lock and without unlinking it; a thread that looks for cells
// unlinks it under the lock and then claims it the same way, or finds that it
// came too late. Hence a linked block may have an owner, may even be full; it
// is unlinked, at the latest, before its granules become free.

#include "memalloc/base/check.h"
#include "memalloc/base/event_counts.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"

namespace memalloc {
namespace {

bool HasCells(const BlockHeader* block) {
  return block->free_list != 0 || block->carved < block->capacity;
}

}  // namespace

void CentralHeap::PushOrphan(BlockHeader* block) {
  const BlockNumber first = orphans_[block->size_class];
  block->is_orphan = true;
  block->orphan_prev = 0;
  block->orphan_next = first;
  orphans_[block->size_class] = NumberOf(block);
  if (first != 0) BlockNumbered(first)->orphan_prev = NumberOf(block);
}

void CentralHeap::RemoveOrphan(BlockHeader* block) {
  const BlockNumber prev = block->orphan_prev;
  const BlockNumber next = block->orphan_next;
  if (prev != 0) {
    BlockNumbered(prev)->orphan_next = next;
  } else {
    orphans_[block->size_class] = next;
  }
  if (next != 0) BlockNumbered(next)->orphan_prev = prev;
  block->is_orphan = false;
}

BlockHeader* CentralHeap::ClaimOrphan(SizeClass size_class, ThreadHeap* owner) {
  // Its free cells may be torn in a child whose handler has yet to run.
  if (HoldsAllForFork()) return nullptr;
  while (orphans_[size_class] != 0) {
    BlockHeader* block = BlockNumbered(orphans_[size_class]);
    RemoveOrphan(block);
    CountEvent(Event::kClaim);
    ThreadHeap* nobody = nullptr;
    if (!block->owner.compare_exchange_strong(nobody, owner,
                                              std::memory_order_acq_rel,
                                              std::memory_order_relaxed)) {
      continue;
    }
    if (HasCells(block)) return block;
    CountEvent(Event::kGiveUp);
    block->owner.store(nullptr, std::memory_order_release);
  }
  return nullptr;
}

// The caller owns the block and holds the lock; afterwards nobody owns it.
void CentralHeap::GiveUpBlock(BlockHeader* block) {
  if (block->UsedCells() == 0) return FreeSmallBlock(block);
  block->ExpectFrees(0);
  if (HasCells(block) && !block->is_orphan) PushOrphan(block);
  CountEvent(Event::kGiveUp);
  // Pairs with the acquire of the claim.
  block->owner.store(nullptr, std::memory_order_release);
}

void CentralHeap::OfferBlock(BlockHeader* block) {
  const LockHolder holder(lock_);
  CountWanted(block->size_class, -1);
  GiveUpBlock(block);
}

FreeCell* CentralHeap::AllocateCell(SizeClass size_class) {
  Shortage shortage;
  for (;;) {
    FreeCell* cell = TryAllocateCell(size_class, &shortage);
    if (cell == nullptr && MakeRoom(&shortage)) continue;
    LookAtClock(/*mine=*/nullptr);
    return cell;
  }
}

FreeCell* CentralHeap::TryAllocateCell(SizeClass size_class,
                                       Shortage* shortage) {
  const LockHolder holder(lock_);
  BlockHeader* block = ClaimOrphan(size_class, &g_central_owner);
  if (block == nullptr) {
    block = MakeSmallBlock(size_class, &g_central_owner, shortage);
  }
  if (block == nullptr) return nullptr;
  FreeCell* cell;
  if (block->free_list != 0) {
    cell = CellAt(block->free_list);
    block->free_list = cell->Next(block->link_key);
    if (block->free_list != 0 && !IsInBlock(block, block->free_list)) {
      DieOfOverwrittenLink(cell);
    }
    block->free_base -= 1;
  } else {
    cell = CellAt(BlockStart(block) + block->carved * size_t{block->cell_size});
    block->carved += 1;
  }
  cell->link = 0;
  GiveUpBlock(block);
  return cell;
}

void CentralHeap::FreeBatchOf(BlockHeader* block, Batch* batch) {
  // As in ThreadHeap::TryOwn, but there is no inbox to wait in.
  if (HoldsAllForFork()) return;
  for (;;) {
    ThreadHeap* owner = nullptr;
    {
      const LockHolder holder(lock_);
      CountEvent(Event::kClaim);
      if (block->owner.compare_exchange_strong(owner, &g_central_owner,
                                               std::memory_order_acq_rel,
                                               std::memory_order_acquire)) {
        block->free_base += batch->cells();
        FreeCell* first = batch->CheckedFirst(block);
        batch->anchor()->SetNext(block->free_list, block->link_key);
        block->free_list = AddressOf(first);
        return GiveUpBlock(block);
      }
    }
    batch->SetNext(0);
    if (owner->Receive(batch, batch)) return;
  }
}

// In a forked child. While fork copied the pages, other threads may have
// claimed orphans and used their cells: a free list may be torn. Its cells are
// given up for good; the block's other cells stay usable.
void CentralHeap::WriteOffOrphans() {
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    for (BlockNumber number = orphans_[c]; number != 0;) {
      BlockHeader* block = BlockNumbered(number);
      number = block->orphan_next;
      if (block->owner.load(std::memory_order_relaxed) == nullptr) {
        block->free_list = 0;
        block->countdown = block->free_base = 0;
      }
    }
  }
}

}  // namespace memalloc
