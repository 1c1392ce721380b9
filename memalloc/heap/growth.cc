// How the heap grows: arenas from the program break, or from mmap where the
// break cannot grow.
//
// The break belongs to the whole program. Each growth looks where it stands
// now; what somebody else took meanwhile is a gap and never ours. Growth goes
// in steps that follow the heap's size, and falls back to the bare need when
// memory is short.

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/base/settings.h"
#include "memalloc/hardened/guard.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/huge_pages.h"
#include "memalloc/heap/reserve.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Greatest step of growth beyond the need, in granules.
constexpr size_t kMaxStep = kGranulesPerArena;

// From so many granules on the heap may grow in huge pages, for blocks of less
// than a megabyte.
constexpr size_t kDenseFrom = 2 * kGranulesPerArena;
constexpr size_t kMinBigGranules = 16;

}  // namespace

// Makes a free run of at least `granules` granules.
MEMALLOC_USUAL bool CentralHeap::Grow(size_t granules) {
  grows_densely_ = backed_granules_ >= kDenseFrom &&
                   granules < kMinBigGranules && IsFilled(growths_[1]);
  const size_t least = GetOption(Option::kTopPad) / kGranuleSize;
  const size_t step = Min(kMaxStep, Max<size_t>(least, backed_granules_ / 8));
  return GrowBreak(granules, step) || GrowBreak(granules, 0) ||
         GrowMapping(granules, step) || GrowMapping(granules, 0);
}

MEMALLOC_USUAL bool CentralHeap::GrowBreak(size_t granules, size_t step) {
  // A second round is needed only if somebody moves the break between our
  // look at it and our call.
  for (int round = 0; round < 4; ++round) {
    const uintptr_t now = os::CurrentBreak();
    if (now == 0) return false;
    const uintptr_t start = RoundUp(now, kGranuleSize);
    uintptr_t end;
    const bool in_arena = break_arena_ != nullptr &&
                          start > break_arena_->Start() &&
                          start < break_arena_->Start() + kArenaSize;
    const uintptr_t arena_end = in_arena ? break_arena_->Start() + kArenaSize
                                         : RoundUp(start, kArenaSize);
    size_t have = 0;
    if (in_arena && start == break_arena_->End()) {
      have = FreeRuns::LengthBelow(break_arena_, break_arena_->limit);
    }
    if (in_arena &&
        start + (granules - Min(have, granules)) * kGranuleSize <= arena_end) {
      const size_t need = granules - Min(have, granules);
      end = Min(arena_end, start + Max(need, step) * kGranuleSize);
    } else {
      // On to the next arena: its table, the need and the step.
      const size_t rest = Min(kGranulesPerArena, 1 + granules + step);
      end = arena_end + rest * kGranuleSize;
    }
    if (end <= now || end >> kAddressBits != 0) return false;
    const uintptr_t got = os::GrowBreak(end - now);
    if (got == 0) return false;
    if (got == now) {
      AbsorbBreak(start, end);
      return true;
    }
    AbsorbBreak(RoundUp(got, kGranuleSize),
                RoundDown(got + (end - now), kGranuleSize));
  }
  return false;
}

// Adds [start, end), granules of the break that are ours, to the arenas.
MEMALLOC_USUAL void CentralHeap::AbsorbBreak(uintptr_t start, uintptr_t end) {
  AdviseGrowth(start, end);
  while (start < end) {
    const uintptr_t arena = ArenaOf(start);
    if (break_arena_ == nullptr || arena != break_arena_->Start()) {
      const uintptr_t next = RoundUp(start, kArenaSize);
      // A table without a granule to describe is worth nothing.
      if (next >= end || end - next < 2 * kGranuleSize) return;
      StartArena(next, ArenaKind::kBreak);
      break_arena_ = ArenaHeaderAt(next);
      start = next + kGranuleSize;
      continue;
    }
    // Granules between the limit and `start` are somebody else's.
    const size_t first = (start - arena) / kGranuleSize;
    for (size_t g = break_arena_->limit; g < first; ++g) {
      break_arena_->Header(g)->status = BlockStatus::kForeign;
      break_arena_->Header(g)->granules = 1;
    }
    break_arena_->limit = static_cast<uint16_t>(first);
    const uintptr_t stop = Min(end, arena + kArenaSize);
    ExtendArena(break_arena_, (stop - arena) / kGranuleSize);
    start = stop;
  }
}

MEMALLOC_USUAL bool CentralHeap::GrowMapping(size_t granules, size_t step) {
  if (mapped_arena_ != nullptr) {
    const size_t limit = mapped_arena_->limit;
    const size_t have = FreeRuns::LengthBelow(mapped_arena_, limit);
    const size_t need = granules - Min(have, granules);
    if (need > 0 && limit + need <= kGranulesPerArena) {
      const size_t more = Min(kGranulesPerArena - limit, Max(need, step));
      const uintptr_t end = mapped_arena_->End();
      const size_t bytes = more * kGranuleSize;
      if (!os::Commit(end, bytes)) {
        if (os::IsWhole(end, bytes)) return false;  // a smaller step may do
        const uintptr_t arena_end = mapped_arena_->Start() + kArenaSize;
        ReturnAfterFailure(end, arena_end - end, end, bytes);
        mapped_arena_ = nullptr;  // it cannot grow past the hole
        return false;
      }
      AdviseGrowth(end, end + bytes);
      ExtendArena(mapped_arena_, limit + more);
      return true;
    }
  }
  const uintptr_t arena = ReserveAligned(kArenaSize, kArenaSize, 0);
  if (arena == 0) return false;
  const size_t limit = Min(kGranulesPerArena, 1 + granules + step);
  if (!os::Commit(arena, limit * kGranuleSize)) {
    ReturnAfterFailure(arena, kArenaSize, arena, limit * kGranuleSize);
    return false;
  }
  if (mapped_arena_ != nullptr) {
    // Only the arena that still grows keeps its uncommitted rest.
    const uintptr_t rest = mapped_arena_->End();
    const uintptr_t end = mapped_arena_->Start() + kArenaSize;
    if (rest < end) os::Unmap(rest, end - rest);
  }
  AdviseGrowth(arena, arena + limit * kGranuleSize);
  StartArena(arena, ArenaKind::kMapped);
  mapped_arena_ = ArenaHeaderAt(arena);
  ExtendArena(mapped_arena_, limit);
  return true;
}

MEMALLOC_USUAL void CentralHeap::StartArena(uintptr_t arena, ArenaKind kind) {
  ArenaHeader* header = ArenaHeaderAt(arena);
  header->status = BlockStatus::kArenaTable;
  header->kind = kind;
  header->huge_pages = false;
  header->limit = 1;
  header->next = arenas_;
  arenas_ = header;
  ++arena_count_;
  ++backed_granules_;
  g_address_map.Set(arena, 1, SlotKind::kArena);
  if constexpr (kIsHardened) {
    GuardTable(arena, reinterpret_cast<uintptr_t>(header),
               sizeof(FreeGranules) + kGranulesPerArena * sizeof(PurgedPages));
  }
}

// Before a byte of it is touched, tables of arenas too: the kernel would keep a
// mapping for what was touched before and one for the rest.
void CentralHeap::AdviseGrowth(uintptr_t start, uintptr_t end) {
  grew_in_huge_pages_ =
      start < end &&
      AdviseNewMemory(start, end - start, grows_densely_ ? &trial_ : nullptr);
  has_huge_pages_ |= grew_in_huge_pages_;
}

// Makes the granules from the arena's limit up to `limit` free.
MEMALLOC_USUAL void CentralHeap::ExtendArena(ArenaHeader* arena, size_t limit) {
  const size_t first = arena->limit;
  arena->limit = static_cast<uint16_t>(limit);
  backed_granules_ += limit - first;
  arena->huge_pages |= grew_in_huge_pages_;
  growths_[1] = growths_[0];
  growths_[0] = {arena, first, limit - first};
  has_grown_.store(true, std::memory_order_relaxed);
  runs_.Give(arena->Header(first), limit - first);
}

}  // namespace memalloc
