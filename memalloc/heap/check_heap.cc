// The walker: checks every invariant of the central heap, and of the blocks
// that the caller's own heap or nobody owns.
//
// Called by tests after every step, by memalloc_check_heap() and from gdb.

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/huge_mapping.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/heap/sparse_block.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/address_map.h"

namespace memalloc {

void CentralHeap::Check(const ThreadHeap* mine) {
  const LockHolder samples_holder(g_sampling_lock);
  const LockHolder holder(lock_);
  size_t backed = 0;
  size_t free = 0;
  size_t purgeable = 0;
  size_t runs_out = 0;
  size_t arenas = 0;
  size_t huge_granules = 0;
  size_t huge_spare = 0;
  for (ArenaHeader* arena = arenas_; arena != nullptr; arena = arena->next) {
    const ArenaSums sums = CheckArena(arena, mine);
    backed += sums.backed;
    free += sums.free;
    purgeable += sums.purgeable;
    runs_out += sums.runs_out;
    ++arenas;
  }
  for (ArenaHeader* huge = huge_; huge != nullptr; huge = huge->next) {
    MEMALLOC_CHECK(huge->kind == ArenaKind::kHuge, huge);
    MEMALLOC_CHECK(huge->next == nullptr || huge->next->prev == huge, huge);
    MEMALLOC_CHECK(huge->huge.bytes <= huge->huge.mapped, huge);
    huge_granules += HugeMappingGranules(huge);
    huge_spare += huge->huge.mapped - huge->huge.bytes;
  }
  MEMALLOC_CHECK(backed == backed_granules_, this);
  MEMALLOC_CHECK(free == runs_.total_granules(), this);
  MEMALLOC_CHECK(purgeable == runs_.purgeable_granules(), this);
  for (const BlockHeader* run = purging_.first(); run != nullptr;
       run = BlockList::Next(run)) {
    MEMALLOC_CHECK(run->status == BlockStatus::kPurging, run);
    MEMALLOC_CHECK(runs_out-- > 0, this);
  }
  MEMALLOC_CHECK(runs_out == 0, this);
  MEMALLOC_CHECK(huge_granules == huge_granules_, this);
  MEMALLOC_CHECK(huge_spare == huge_spare_, this);
  MEMALLOC_CHECK(arenas == arena_count_, this);
  CheckRunLists();
  for (size_t list = 0; list < kOrphanLists; ++list) {
    for (unsigned c = 0; c < kNumSizeClasses; ++c) {
      CheckOrphans(static_cast<OrphanList>(list + 1),
                   static_cast<SizeClass>(c));
    }
  }
}

void CentralHeap::CheckOrphans(OrphanList list, SizeClass size_class) {
  BlockNumber prev = 0;
  for (BlockNumber number = *Orphans(list, size_class); number != 0;) {
    const BlockHeader* block = BlockNumbered(number);
    MEMALLOC_CHECK(block->status == BlockStatus::kSmall, block);
    MEMALLOC_CHECK(block->orphan_list == list, block);
    MEMALLOC_CHECK(block->size_class == size_class, block);
    MEMALLOC_CHECK(block->orphan_prev == prev, block);
    prev = number;
    number = block->orphan_next;
  }
}

CentralHeap::ArenaSums CentralHeap::CheckArena(ArenaHeader* arena,
                                               const ThreadHeap* mine) {
  MEMALLOC_CHECK(arena->status == BlockStatus::kArenaTable, arena);
  MEMALLOC_CHECK(arena->limit <= kGranulesPerArena, arena);
  MEMALLOC_CHECK(g_address_map.Find(arena->Start()) == SlotKind::kArena, arena);
  bool after_free = false;
  ArenaSums sums = {1, 0, 0, 0};
  size_t granule = 1;
  while (granule < arena->limit) {
    BlockHeader* block = arena->Header(granule);
    const size_t granules = block->granules;
    MEMALLOC_CHECK(granules > 0 && granule + granules <= arena->limit, block);
    const bool is_free = block->status == BlockStatus::kFree;
    MEMALLOC_CHECK(!(is_free && after_free), block);
    MEMALLOC_CHECK(GranuleOf(block) == granule, block);
    const BlockHeader* last = block + granules - 1;
    MEMALLOC_CHECK(last->granules == granules, block);
    switch (block->status) {
      case BlockStatus::kSmall:
        CheckSmallBlock(block, mine);
        break;
      case BlockStatus::kFree:
        MEMALLOC_CHECK(last->status == BlockStatus::kFree, block);
        break;
      case BlockStatus::kLarge:
        MEMALLOC_CHECK(last == block || last->status == BlockStatus::kInside,
                       block);
        break;
      case BlockStatus::kPurging:
        ++sums.runs_out;
        break;
      case BlockStatus::kMetadata:
      case BlockStatus::kForeign:
        break;
      default:
        DieOfCorruption(block, "a block begins with a wrong status");
    }
    if (block->status != BlockStatus::kForeign) sums.backed += granules;
    if (is_free) {
      sums.free += granules;
      sums.purgeable += arena->dirty.Count(granule, granules);
    }
    after_free = is_free;
    granule += granules;
  }
  // Of free granules exactly the dirty ones are marked, and idle ones are too.
  if (arena->dirty.Any(0, kGranulesPerArena)) {
    const FreeGranules& marks = *arena->Free();
    size_t marked = 0;
    for (size_t g = 0; g < kGranulesPerArena; ++g) {
      MEMALLOC_CHECK(marks.purgeable.Has(g) || !marks.idle.Has(g), arena);
      if (!marks.purgeable.Has(g)) continue;
      MEMALLOC_CHECK(g < arena->limit && arena->dirty.Has(g), arena);
      ++marked;
    }
    MEMALLOC_CHECK(marked == sums.purgeable, arena);
  }
  return sums;
}

void CentralHeap::CheckSmallBlock(BlockHeader* block, const ThreadHeap* mine) {
  MEMALLOC_CHECK(block->size_class < kNumSizeClasses, block);
  MEMALLOC_CHECK(block->cell_size == CellSize(block->size_class), block);
  MEMALLOC_CHECK(block->granules == GranulesPerBlock(block->cell_size), block);
  for (size_t i = 1; i < block->granules; ++i) {
    MEMALLOC_CHECK(block[i].status == BlockStatus::kInside, block);
    MEMALLOC_CHECK(block[i].offset == i, block);
  }
  // Blocks of other threads change under our eyes; one without an owner is
  // claimed for as long as it is looked at.
  ThreadHeap* owner = nullptr;
  const bool is_claimed = block->owner.compare_exchange_strong(
      owner, &g_central_owner, std::memory_order_acq_rel,
      std::memory_order_acquire);
  if (!is_claimed && owner != mine && owner != SampleOwner()) return;
  MEMALLOC_CHECK(block->carved <= block->capacity, block);
  MEMALLOC_CHECK(block->FreeCells() + block->purged_cells <= block->carved,
                 block);
  MEMALLOC_CHECK(MarksAreSound(block), block);
  const uintptr_t start = BlockStart(block);
  uint32_t cells = 0;
  for (uintptr_t cell = block->free_list; cell != 0;
       cell = CellAt(cell)->Next(block->link_key)) {
    MEMALLOC_CHECK((cell - start) % block->cell_size == 0, block);
    MEMALLOC_CHECK((cell - start) / block->cell_size < block->carved, block);
    MEMALLOC_CHECK(!kHasChecks || CellAt(cell)->HasFreeTag(), block);
    MEMALLOC_CHECK(!BeginsInPurgedPage(block, cell), block);
    MEMALLOC_CHECK(++cells <= block->carved, block);
  }
  MEMALLOC_CHECK(cells == block->FreeCells(), block);
  if (is_claimed) block->owner.store(nullptr, std::memory_order_release);
}

void CentralHeap::CheckRunLists() {
  size_t total = 0;
  for (size_t length = 1; length < kGranulesPerArena; ++length) {
    for (const BlockHeader* run = runs_.OfLength(length).first();
         run != nullptr; run = BlockList::Next(run)) {
      MEMALLOC_CHECK(run->status == BlockStatus::kFree, run);
      MEMALLOC_CHECK(run->granules == length, run);
      const BlockHeader* next = BlockList::Next(run);
      MEMALLOC_CHECK(next == nullptr || next->prev == NumberOf(run), run);
      total += length;
    }
  }
  MEMALLOC_CHECK(total == runs_.total_granules(), this);
}

}  // namespace memalloc
