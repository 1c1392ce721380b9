// Address space on its way back to the system: when a request could not be
// served otherwise, when malloc_trim asks for it, and at ticks (purge.cc).
//
// The break is lowered only while it stands where our part of it ends, and
// only over free granules at the top; arenas that lose all but their table go
// with them.

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/os/os.h"

namespace memalloc {

// Before a request fails: the blocks and mappings that are kept for speed.
// Whether any came.
bool CentralHeap::CallInReserves() {
  bool any = TrimHugeCache(0);
  any |= EmptyParkedHeaps();
  if (!IsStandIn(t_heap)) any |= t_heap->ReleaseEmptyBlocks();
  any |= WaitForBatch();
  const LockHolder holder(lock_);
  return CutHugeBlocks() || any;
}

bool CentralHeap::GiveBack() {
  bool any = CallInReserves();
  const LockHolder holder(lock_);
  any |= GiveBackMappedArenas(/*clean=*/false);
  any |= GiveBackTopOfBreak(0, 0, /*clean=*/false);
  return any;
}

bool CentralHeap::Trim(size_t pad) {
  bool any = TrimHugeCache(0);
  EmptyParkedHeaps();
  uint64_t purged_before;
  {
    const LockHolder holder(lock_);
    any |= CutHugeBlocks();
    purged_before = purged_bytes_;
  }
  if (!IsStandIn(t_heap)) {
    t_heap->ReleaseEmptyBlocks();
    if (!HoldsAllForFork()) t_heap->SettleAllBlocks();
  }
  PurgeIdle(/*all=*/true);
  WaitForBatch();  // another thread may have taken the last one
  const LockHolder holder(lock_);
  any |= purged_bytes_ != purged_before;
  any |= GiveBackMappedArenas(/*clean=*/false);
  any |= GiveBackTopOfBreak(pad, 0, /*clean=*/false);
  return any;
}

// Gives back mapped arenas without a block; with `clean`, those that hold no
// pages beside their table.
bool CentralHeap::GiveBackMappedArenas(bool clean) {
  bool any = false;
  for (ArenaHeader* arena = arenas_; arena != nullptr;) {
    ArenaHeader* next = arena->next;
    const size_t granules = arena->limit - 1U;
    if (arena->kind == ArenaKind::kMapped &&
        FreeRuns::LengthBelow(arena, arena->limit) == granules &&
        !(clean && arena->dirty.Any(1, granules))) {
      if (granules > 0) runs_.TakeTop(arena, granules);
      // Only the arena that still grows has an uncommitted rest.
      const uintptr_t start = arena->Start();
      const size_t bytes =
          arena == mapped_arena_ ? kArenaSize : arena->limit * kGranuleSize;
      if (arena == mapped_arena_) mapped_arena_ = nullptr;
      EndArena(arena);
      os::Unmap(start, bytes);
      any = true;
    }
    arena = next;
  }
  return any;
}

// Lowers the break over what is free at the top of it, or over the part of that
// above all dirty granules if `clean`, but for the lowest `keep` bytes. Only if
// at least `least` bytes would go. Whether any did.
bool CentralHeap::GiveBackTopOfBreak(size_t keep, size_t least, bool clean) {
  size_t free = 0;  // granules that could go, tables of whole arenas too
  for (ArenaHeader* arena = break_arena_; arena != nullptr;
       arena = BreakArenaBelow(arena)) {
    const size_t length = TopLength(arena, clean);
    free += length;
    if (length + 1U != arena->limit) break;
    ++free;
  }
  const size_t kept = keep / kGranuleSize + (keep % kGranuleSize != 0);
  if (free <= kept || (free - kept) * kGranuleSize < least) return false;
  size_t left = free - kept;
  bool any = false;
  while (left > 0) {
    ArenaHeader* arena = break_arena_;
    const size_t length = TopLength(arena, clean);
    const bool whole = length + 1U == arena->limit && left > length;
    const size_t granules = whole ? arena->limit : Min(left, length);
    ArenaHeader* below = whole ? BreakArenaBelow(arena) : arena;
    if (granules == 0 || !LowerBreak(arena, granules)) return any;
    break_arena_ = below;
    left -= granules;
    any = true;
  }
  return any;
}

// Granules below the arena's limit that are free, and not dirty if `clean`.
size_t CentralHeap::TopLength(ArenaHeader* arena, bool clean) {
  const size_t length = FreeRuns::LengthBelow(arena, arena->limit);
  if (!clean) return length;
  size_t granule = arena->limit;
  while (granule > arena->limit - length && !arena->dirty.Has(granule - 1)) {
    --granule;
  }
  return arena->limit - granule;
}

// Lowers the break over the last `granules` granules of its top arena, free
// ones but for the table of an arena that goes whole.
bool CentralHeap::LowerBreak(ArenaHeader* arena, size_t granules) {
  const uintptr_t top = arena->End();
  if (os::CurrentBreak() != top) return false;
  // The run leaves the lists before its memory goes, and an arena the map.
  const bool whole = granules == arena->limit;
  const size_t length = whole ? granules - 1 : granules;
  if (length > 0) runs_.TakeTop(arena, length);
  const size_t limit = arena->limit - length;
  arena->limit = static_cast<uint16_t>(limit);
  arena->dirty.Clear(limit, length);
  backed_granules_ -= length;
  if (whole) EndArena(arena);
  if (os::LowerBreak(top, granules * kGranuleSize)) return true;
  // Somebody raised it this instant: what we gave up lies in a gap now.
  break_arena_ = nullptr;
  return false;
}

// The arena of the break that reaches up to this one; null if there is none.
ArenaHeader* CentralHeap::BreakArenaBelow(const ArenaHeader* arena) {
  const uintptr_t end = arena->Start();
  const auto reaches_up = [end](const ArenaHeader* below) {
    return below->kind == ArenaKind::kBreak && below->End() == end;
  };
  // Mostly the one that was made before it.
  if (arena->next != nullptr && reaches_up(arena->next)) return arena->next;
  for (ArenaHeader* other = arenas_; other != nullptr; other = other->next) {
    if (reaches_up(other)) return other;
  }
  return nullptr;
}

// Forgets an arena of which nothing but the table is left.
void CentralHeap::EndArena(ArenaHeader* arena) {
  if (purge_cursor_ == arena) purge_cursor_ = arena->next;
  for (Growth& growth : growths_) {
    if (growth.arena == arena) growth = {};
  }
  g_address_map.Set(arena->Start(), 1, SlotKind::kForeign);
  backed_granules_ -= arena->kind == ArenaKind::kMapped ? arena->limit : 1;
  --arena_count_;
  ArenaHeader** link = &arenas_;
  while (*link != arena) {
    MEMALLOC_CHECK(*link != nullptr, arena);
    link = &(*link)->next;
  }
  *link = arena->next;
}

}  // namespace memalloc
