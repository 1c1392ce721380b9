// Memory on its way back to the system, when a request could not be served
// otherwise or malloc_trim asks for it.
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
  const LockHolder holder(lock_);
  return CutHugeBlocks() || any;
}

bool CentralHeap::GiveBack() {
  bool any = CallInReserves();
  const LockHolder holder(lock_);
  any |= GiveBackMappedArenas();
  any |= GiveBackTopOfBreak();
  return any;
}

bool CentralHeap::GiveBackMappedArenas() {
  bool any = false;
  for (ArenaHeader* arena = arenas_; arena != nullptr;) {
    ArenaHeader* next = arena->next;
    if (arena->kind == ArenaKind::kMapped &&
        FreeRuns::LengthBelow(arena, arena->limit) + 1U == arena->limit) {
      runs_.TakeTop(arena);
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

bool CentralHeap::GiveBackTopOfBreak() {
  bool any = false;
  while (break_arena_ != nullptr) {
    ArenaHeader* arena = break_arena_;
    const size_t length = FreeRuns::LengthBelow(arena, arena->limit);
    if (length == 0) return any;
    const bool whole = length + 1U == arena->limit;
    const uintptr_t top = arena->End();
    const size_t granules = length + (whole ? 1 : 0);
    // The run leaves the lists before its memory goes, and an arena the map.
    const size_t limit = arena->limit - length;
    const uintptr_t start = arena->Start();
    if (os::CurrentBreak() != top) return any;
    runs_.TakeTop(arena);
    arena->limit = static_cast<uint16_t>(limit);
    arena->ClearDirty(limit, length);
    backed_granules_ -= length;
    if (whole) EndArena(arena);
    if (!os::LowerBreak(top, granules * kGranuleSize)) {
      // Somebody raised it this instant: what we gave up lies in a gap now.
      break_arena_ = nullptr;
      return any;
    }
    any = true;
    if (!whole) return any;
    break_arena_ = BreakArenaThatEndsAt(start);
  }
  return any;
}

// The arena below one that went, if it reaches up to there.
ArenaHeader* CentralHeap::BreakArenaThatEndsAt(uintptr_t end) {
  for (ArenaHeader* arena = arenas_; arena != nullptr; arena = arena->next) {
    if (arena->kind == ArenaKind::kBreak && arena->End() == end) return arena;
  }
  return nullptr;
}

// Forgets an arena of which nothing but the table is left.
void CentralHeap::EndArena(ArenaHeader* arena) {
  g_address_map.Set(arena->Start(), 1, SlotKind::kForeign);
  backed_granules_ -= arena->kind == ArenaKind::kMapped ? arena->limit : 1;
  --arena_count_;
  ArenaHeader** link = &arenas_;
  while (*link != arena) link = &(*link)->next;
  *link = arena->next;
}

}  // namespace memalloc
