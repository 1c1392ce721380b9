// The slow path of malloc: where a bin's cells come from.
//
// In this order: the current block's free list; cells of it whose page was
// purged, and cells not carved yet, a page at a time, so that memory not needed
// is not touched; the next partial block; an orphan block; a new block; and,
// when memory is short, the few free cells of a block that waits to have more.

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"
#include "memalloc/base/event_counts.h"
#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/hardened/canary.h"
#include "memalloc/hardened/carve_order.h"
#include "memalloc/hardened/quarantine.h"
#include "memalloc/hardened/wipe.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/heap/sparse_block.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/free_list.h"

namespace memalloc {
namespace {

// Carving stops at the end of such a page.
constexpr size_t kCarveUnit = 4096;

void MarkAsFreed(const BlockHeader* block, uintptr_t cell) {
  WipeUsual(cell);
  *Room{cell, block->cell_size}.EndWord() =
      UsualFreeWord(CanaryOf(cell), block->link_key);
}

// Links so many new cells of the block, from `start` on; the list's first.
[[maybe_unused]] uintptr_t LinkInAnyOrder(const BlockHeader* block,
                                          uintptr_t start, size_t cells) {
  const CarveOrder order(cells, t_quarantine.random());
  const uintptr_t page_end = RoundUp(start + 1, kCarveUnit);
  uintptr_t next = 0;
  for (size_t i = 0; i < cells; ++i) {
    const uintptr_t cell = start + order[i] * block->cell_size;
    // As one that was freed, so that malloc's fast path may have it; but not
    // if that would touch another page, or the next cell.
    if (block->cell_size >= kUsualWipe && cell + block->cell_size <= page_end) {
      MarkAsFreed(block, cell);
    }
    CellAt(cell)->SetNext(next, block->link_key);
    next = cell;
  }
  return next;
}

}  // namespace

MEMALLOC_USUAL void* ThreadHeap::AllocateSlow(ThreadHeap* heap,
                                              SizeClass size_class,
                                              size_t size) {
  if (IsStandIn(heap)) {
    heap = AttachThread();
    if (heap == nullptr) {
      void* sample = CountCell(size_class, size);
      return sample != nullptr ? sample
                               : g_central_heap.AllocateCell(size_class);
    }
  }
  bool is_refilled = false;
  FreeCell* cell;
  uintptr_t next;
  do {
    cell = heap->bins_[size_class];
    if (cell == &kNoCell) {
      if (!heap->Refill(size_class)) return nullptr;
      cell = heap->bins_[size_class];
      is_refilled = true;
    }
    next = cell->Next(heap->keys_[size_class]);
    if (MEMALLOC_UNLIKELY(next == 0 && heap->IsDue(size_class))) {
      void* due = heap->AllocateDue(size_class, size);
      if (due != nullptr) return due;
    }
    // Unless somebody who looked at what was due allocated as well.
  } while (MEMALLOC_UNLIKELY(cell != heap->bins_[size_class]));
  if (next == 0) {
    // The last one. If others of the block were freed meanwhile, the next
    // malloc finds them at once.
    heap->bins_[size_class] = const_cast<FreeCell*>(&kNoCell);
    heap->DrainInbox();
    heap->TakeFreeList(heap->current_[size_class]);
    is_refilled = true;
  } else {
    CheckLink(heap->current_[size_class], cell, next);
    heap->bins_[size_class] = CellAt(next);
  }
  cell->Clear();
  // Now that the cell is handed out: its block is not empty, and stays.
  if (is_refilled) heap->NoteRefill(size_class);
  return cell;
}

MEMALLOC_USUAL bool ThreadHeap::Refill(SizeClass size_class) {
  DrainInbox();
  BlockHeader* block = current_[size_class];
  if (block != nullptr) {
    if (FillBin(block)) return true;
    Detach(block);
    current_[size_class] = nullptr;
    refills_to_look_ = 1;
  }
  block = NextBlock(size_class);
  if (block == nullptr) return false;
  current_[size_class] = block;
  keys_[size_class] = block->link_key;
  block->place = BlockPlace::kCurrent;
  return FillBin(block);
}

// The class is in use. A thread that goes on within its blocks looks at the
// clock here.
void ThreadHeap::NoteRefill(SizeClass size_class) {
  idle_classes_.Clear(size_class);
  if (--refills_to_look_ > 0) return;
  refills_to_look_ = kRefillsToLook;
  PassSlowPath();
}

MEMALLOC_USUAL BlockHeader* ThreadHeap::NextBlock(SizeClass size_class) {
  BlockHeader* block = partial_[size_class].PopFront();
  if (block == nullptr) {
    block = g_central_heap.AllocateSmallBlock(size_class, this);
  }
  // What was called in when memory was short may have woken blocks of ours.
  if (block == nullptr) block = partial_[size_class].PopFront();
  if (block == nullptr) block = waiting_[size_class].PopFront();
  return block;
}

// Pages that were touched before come first, those that were purged before
// those that never were.
MEMALLOC_USUAL bool ThreadHeap::FillBin(BlockHeader* block) {
  if (block->free_list == 0 && block->purged_cells != 0) RelinkPage(block);
  return TakeFreeList(block) || Carve(block);
}

MEMALLOC_USUAL bool ThreadHeap::TakeFreeList(BlockHeader* block) {
  if (block->free_list == 0) return false;
  CheckFirst(block, block->free_list);
  const uint32_t cells = block->FreeCells();
  handed_out_[block->size_class].Add(cells);
  bins_[block->size_class] = CellAt(block->free_list);
  block->free_list = 0;
  ExpectToBeEmpty(block);
  if (MEMALLOC_UNLIKELY(SamplingIsOn() || GuardingIsOn())) {
    CutBin(block, cells);
  }
  return true;
}

MEMALLOC_USUAL bool ThreadHeap::Carve(BlockHeader* block) {
  const size_t left = block->capacity - block->carved;
  if (left == 0) return false;
  const size_t cell_size = block->cell_size;
  const uintptr_t start = BlockStart(block) + block->carved * cell_size;
  // The cells that begin in the page: their links lie in it too.
  const size_t room = RoundUp(start + 1, kCarveUnit) - start;
  const size_t cells = Min(left, (room + cell_size - 1) / cell_size);
  uintptr_t first = start;
  if constexpr (kIsHardened) {
    first = LinkInAnyOrder(block, start, cells);
  } else {
    const uintptr_t last = start + (cells - 1) * cell_size;
    for (uintptr_t cell = start; cell != last; cell += cell_size) {
      CellAt(cell)->SetNext(cell + cell_size, block->link_key);
    }
    CellAt(last)->SetNext(0, block->link_key);
  }
  block->carved += static_cast<uint16_t>(cells);
  handed_out_[block->size_class].Add(cells);
  bins_[block->size_class] = CellAt(first);
  ExpectToBeEmpty(block);
  if (MEMALLOC_UNLIKELY(SamplingIsOn() || GuardingIsOn())) {
    CutBin(block, cells);
  }
  return true;
}

// What is freed does not go back to the bin: all that was carved is free again
// after so many frees, unless there is a refill before. Small cells' blocks are
// not worth a look.
void ThreadHeap::ExpectToBeEmpty(BlockHeader* current) {
  const bool matters = Magazines::Has(current->size_class);
  current->countdown = current->free_base =
      matters ? current->carved : kNoCountdown;
}

// Counts so many cells of the class. The number of the first that is to be a
// sample, or guarded, which is noted as due; those behind it are not counted. 0
// if there is none.
size_t ThreadHeap::CountUpToDue(SizeClass size_class, size_t cells) {
  const size_t cell_size = CellSize(size_class);
  const size_t guarded = t_guard_point.Left();
  size_t first = t_sampling_point.Count(Min(cells, guarded), cell_size);
  if (first != 0) {
    due_samples_.Set(size_class);
  } else if (guarded <= cells) {
    first = guarded;
  }
  t_guard_point.Pass(first != 0 ? first : cells);
  if (first == guarded) due_guards_.Set(size_class);
  return first;
}

// If one of the cells that the bin was filled with is to be a sample, or
// guarded, it is made the last one, and the rest goes back to the block.
void ThreadHeap::CutBin(BlockHeader* block, size_t cells) {
  const SizeClass size_class = block->size_class;
  const size_t kept = CountUpToDue(size_class, cells);
  if (kept == 0 || kept == cells) return;
  FreeCell* last = bins_[size_class];
  uintptr_t next = last->Next(block->link_key);
  for (size_t i = 1; i < kept; ++i) {
    CheckLink(block, last, next);
    last = CellAt(next);
    next = last->Next(block->link_key);
  }
  last->SetNext(0, block->link_key);
  block->free_list = next;
  block->free_base += static_cast<uint32_t>(cells - kept);
  handed_out_[size_class].Subtract(cells - kept);
  if (Magazines::Has(size_class)) block->ExpectFrees(block->UsedCells());
}

// For the request for which the bin's last cell would be handed out; null if
// that is to be done all the same. Otherwise it stays for the next request, and
// is counted for that.
void* ThreadHeap::AllocateDue(SizeClass size_class, size_t size) {
  if (due_samples_.Has(size_class)) {
    due_samples_.Clear(size_class);
    // First: a hook may allocate.
    CountUpToDue(size_class, 1);
    void* sample = TakeSampledCell(size_class);
    if (sample != nullptr) return sample;
    due_samples_.Clear(size_class);
  }
  if (!due_guards_.Has(size_class)) return nullptr;
  due_guards_.Clear(size_class);
  void* guarded = g_guard_pool.Allocate(size);
  if (guarded != nullptr) CountUpToDue(size_class, 1);
  return guarded;
}

// Puts the bin's cells back into the class's current block.
void ThreadHeap::EmptyBin(BlockHeader* current) {
  FreeCell*& bin = bins_[current->size_class];
  if (bin == &kNoCell) return;
  due_samples_.Clear(current->size_class);
  due_guards_.Clear(current->size_class);
  uint32_t cells = 1;
  FreeCell* last = bin;
  while (uintptr_t next = last->Next(current->link_key)) {
    CheckLink(current, last, next);
    last = CellAt(next);
    ++cells;
  }
  last->SetNext(current->free_list, current->link_key);
  current->free_list = AddressOf(bin);
  current->free_base += cells;
  handed_out_[current->size_class].Subtract(cells);
  bin = const_cast<FreeCell*>(&kNoCell);
}

// The block's cells are all handed out: whoever frees one first owns it then.
void ThreadHeap::Detach(BlockHeader* block) {
  block->countdown = block->free_base = 0;
  CountEvent(Event::kGiveUp);
  // Pairs with the acquire of the claim: its thread sees the fields above.
  block->owner.store(nullptr, std::memory_order_release);
}

}  // namespace memalloc
