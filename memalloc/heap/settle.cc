// Free pages of blocks that lie idle, in which a few cells are in use.
//
// A partial block into which nothing was freed from one tick to another is
// settled: its free pages are purged where there may be some, and it becomes an
// orphan, so that any thread can use what is left of it. Whoever frees into it
// claims it; it is looked through again only after an eighth of its cells were
// freed, so that each look is paid for.
//
// The owner does that, a few blocks each time that it passes a slow path after
// a tick. Orphans of other origin are adopted for it one at a time.

#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sparse_block.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// What one slow path looks through, a millisecond's work.
constexpr size_t kBlocksAtOnce = 32;
// Partial blocks of a class that are marked at a tick. Each costs a cache miss.
constexpr size_t kMarksAtTick = 1024;

// Whether a page may be free. Small cells have to be for the most part.
bool MayHaveFreePages(const BlockHeader* block) {
  return block->cell_size >= os::PageSize() ||
         2 * block->UsedCells() <= block->carved;
}

}  // namespace

void ThreadHeap::SettleIdleBlocks() {
  size_t room = kBlocksAtOnce;
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    if (!SettleIdleOfClass(static_cast<SizeClass>(c), &room)) return;
  }
  for (; room > 0; --room) {
    BlockHeader* orphan = g_central_heap.ClaimIdleOrphan(this, /*all=*/false);
    if (orphan == nullptr) break;
    Settle(orphan);
  }
  if (room == 0) return;
  is_settling_ = false;
  MarkPartialBlocks();
}

// False if there was no room for all.
bool ThreadHeap::SettleIdleOfClass(SizeClass size_class, size_t* room) {
  BlockHeader* next;
  for (BlockHeader* block = partial_[size_class].first(); block != nullptr;
       block = next) {
    next = BlockList::Next(block);
    if (block->place != BlockPlace::kIdle) continue;
    if (*room == 0) return false;
    --*room;
    partial_[size_class].Remove(block);
    Settle(block);
  }
  return true;
}

// Any free from now on shows that a block is not idle.
void ThreadHeap::MarkPartialBlocks() {
  for (const BlockList& partial : partial_) {
    size_t room = kMarksAtTick;
    for (BlockHeader* block = partial.first(); block != nullptr && room > 0;
         block = BlockList::Next(block), --room) {
      if (block->place != BlockPlace::kPartial || block->UsedCells() == 0) {
        continue;
      }
      block->place = BlockPlace::kIdle;
      block->ExpectFrees(1);
    }
  }
}

// Of a block of this heap that is in no list.
void ThreadHeap::Settle(BlockHeader* block) {
  block->place = BlockPlace::kCurrent;
  block->ExpectFrees(kNoCountdown);
  Purged purged;
  if (MayHaveFreePages(block)) purged = PurgeFreePages(block);
  block->place = BlockPlace::kSettled;
  g_central_heap.OfferSettledBlock(block, purged);
}

void ThreadHeap::SettleAllBlocks() {
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    BlockHeader* current = current_[c];
    if (current != nullptr && MayHaveFreePages(current)) {
      EmptyBin(current);
      current_[c] = nullptr;
      Settle(current);
    }
    while (BlockHeader* block = partial_[c].PopFront()) Settle(block);
  }
  while (BlockHeader* orphan =
             g_central_heap.ClaimIdleOrphan(this, /*all=*/true)) {
    Settle(orphan);
  }
}

void CentralHeap::OfferSettledBlock(BlockHeader* block, const Purged& purged) {
  const LockHolder holder(lock_);
  CountPurged(purged);
  CountWanted(block->size_class, -1);
  GiveUpBlock(block);
}

BlockHeader* CentralHeap::ClaimIdleOrphan(ThreadHeap* owner, bool all) {
  // Its free cells may be torn in a child whose handler has yet to run.
  if (HoldsAllForFork()) return nullptr;
  const LockHolder holder(lock_);
  // Fresh ones of the interval before the last tick are in the list that comes
  // next, those of the last one and of this may be too young.
  const uint32_t lists = all ? kFreshLists : 1;
  for (uint32_t i = 1; i <= lists; ++i) {
    const OrphanList list = FreshList(ticks() + i);
    for (unsigned c = 0; c < kNumSizeClasses; ++c) {
      const auto size_class = static_cast<SizeClass>(c);
      BlockHeader* block = ClaimOrphanOf(list, size_class, owner);
      if (block == nullptr) continue;
      CountWanted(size_class, 1);  // it is offered again
      return block;
    }
  }
  return nullptr;
}

}  // namespace memalloc
