// Blocks without an owner that have cells to hand out, and the central heap's
// own hands on blocks for threads that have no heap.
//
// An orphan is in its class's list and has owner null. Both ways to it are
// open at once: a thread that frees into it claims it by exchanging the owner,
// without the lock and without unlinking it; a thread that looks for cells
// unlinks it under the lock and then claims it the same way, or finds that it
// came too late. Hence a linked block may have an owner, may even be full; it
// is unlinked, at the latest, before its granules become free.
//
// There are three lists of fresh orphans, which take turns tick by tick, so
// that those that came a tick ago are together: they are looked through for
// free pages (settle.cc) and go to one of two lists of settled ones. Blocks
// with purged pages are used last.

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"
#include "memalloc/base/event_counts.h"
#include "memalloc/heap/block_cells.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/free_list.h"

namespace memalloc {
// The list of the class that `list` stands for.
BlockNumber* CentralHeap::Orphans(OrphanList list, SizeClass size_class) {
  return &orphans_[static_cast<size_t>(list) - 1][size_class];
}

// The list of fresh orphans in the interval that begins with a tick.
OrphanList CentralHeap::FreshList(uint32_t tick) {
  return static_cast<OrphanList>(static_cast<uint32_t>(OrphanList::kFresh) +
                                 tick % kFreshLists);
}

void CentralHeap::PushOrphan(BlockHeader* block, OrphanList list) {
  BlockNumber* head = Orphans(list, block->size_class);
  const BlockNumber first = *head;
  block->orphan_list = list;
  block->orphan_prev = 0;
  block->orphan_next = first;
  *head = NumberOf(block);
  if (first != 0) BlockNumbered(first)->orphan_prev = NumberOf(block);
}

void CentralHeap::RemoveOrphan(BlockHeader* block) {
  const BlockNumber prev = block->orphan_prev;
  const BlockNumber next = block->orphan_next;
  if (prev != 0) {
    BlockNumbered(prev)->orphan_next = next;
  } else {
    *Orphans(block->orphan_list, block->size_class) = next;
  }
  if (next != 0) BlockNumbered(next)->orphan_prev = prev;
  block->orphan_list = OrphanList::kNone;
}

MEMALLOC_USUAL BlockHeader* CentralHeap::ClaimOrphan(SizeClass size_class,
                                                     ThreadHeap* owner) {
  // Its free cells may be torn in a child whose handler has yet to run.
  if (HoldsAllForFork()) return nullptr;
  for (size_t i = 0; i < kOrphanLists; ++i) {
    const auto list = static_cast<OrphanList>(i + 1);
    BlockHeader* block = ClaimOrphanOf(list, size_class, owner);
    if (block != nullptr) return block;
  }
  return nullptr;
}

MEMALLOC_USUAL BlockHeader* CentralHeap::ClaimOrphanOf(OrphanList list,
                                                       SizeClass size_class,
                                                       ThreadHeap* owner) {
  const BlockNumber* head = Orphans(list, size_class);
  while (*head != 0) {
    BlockHeader* block = BlockNumbered(*head);
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
  OrphanList list = FreshList(ticks());
  if (block->place == BlockPlace::kSettled) {
    list =
        block->purged_cells == 0 ? OrphanList::kSettled : OrphanList::kPurged;
  }
  if (block->IsOrphan() && block->orphan_list != list) RemoveOrphan(block);
  if (HasCells(block) && !block->IsOrphan()) PushOrphan(block, list);
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
  FreeCell* cell = TakeCell(block);
  ++cells_handed_out_[size_class];
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
        block->place = BlockPlace::kPartial;
        block->free_base += batch->cells();
        FreeCell* first = batch->CheckedFirst(block);
        batch->LinkTo(block->free_list, block->link_key);
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
  for (const auto& list : orphans_) {
    for (BlockNumber number : list) {
      for (; number != 0; number = BlockNumbered(number)->orphan_next) {
        BlockHeader* block = BlockNumbered(number);
        if (block->owner.load(std::memory_order_relaxed) != nullptr) continue;
        block->free_list = 0;
        block->purged_cells = 0;
        block->countdown = block->free_base = 0;
      }
    }
  }
}

}  // namespace memalloc
