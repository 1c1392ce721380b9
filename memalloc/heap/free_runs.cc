// Best fit of granule runs; see free_runs.h.

#include "memalloc/heap/free_runs.h"

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"
#include "memalloc/base/math.h"

namespace memalloc {
namespace {

// Granules to leave in front of a block so that it begins at a multiple of
// `alignment` bytes.
size_t SkipToAlign(const BlockHeader* first, size_t alignment) {
  const uintptr_t start = BlockStart(first);
  return (RoundUp(start, alignment) - start) / kGranuleSize;
}

}  // namespace

void SetBlockBounds(BlockHeader* first, size_t granules) {
  BlockHeader* last = first + granules - 1;
  if (last != first) {
    last->status = BlockStatus::kInside;
    last->offset = static_cast<uint16_t>(granules - 1);
    last->granules = static_cast<uint16_t>(granules);
  }
  first->granules = static_cast<uint16_t>(granules);
}

MEMALLOC_USUAL void FreeRuns::Insert(BlockHeader* first, size_t granules) {
  BlockHeader* last = first + granules - 1;
  first->status = last->status = BlockStatus::kFree;
  first->granules = last->granules = static_cast<uint16_t>(granules);
  runs_[granules].PushFront(first);
  non_empty_.Set(granules);
  total_granules_ += granules;
}

MEMALLOC_USUAL void FreeRuns::Remove(BlockHeader* first) {
  const size_t granules = first->granules;
  runs_[granules].Remove(first);
  if (runs_[granules].empty()) non_empty_.Clear(granules);
  total_granules_ -= granules;
}

MEMALLOC_USUAL void FreeRuns::AddPurgeable(ArenaHeader* arena, size_t granule,
                                           size_t count) {
  purgeable_granules_ +=
      arena->Free()->purgeable.SetThoseOf(arena->dirty, granule, count);
}

MEMALLOC_USUAL void FreeRuns::DropPurgeable(ArenaHeader* arena, size_t granule,
                                            size_t count) {
  FreeGranules* free = arena->Free();
  purgeable_granules_ -=
      free->purgeable.ClearThoseOf(arena->dirty, granule, count);
  free->idle.ClearThoseOf(arena->dirty, granule, count);
}

MEMALLOC_USUAL BlockHeader* FreeRuns::TakePart(BlockHeader* first, size_t skip,
                                               size_t granules) {
  const size_t length = first->granules;
  Remove(first);
  BlockHeader* block = first + skip;
  if (skip > 0) Insert(first, skip);
  if (skip + granules < length) {
    Insert(block + granules, length - skip - granules);
  }
  SetBlockBounds(block, granules);
  DropPurgeable(ArenaHeaderOf(block), GranuleOf(block), granules);
  return block;
}

MEMALLOC_USUAL BlockHeader* FreeRuns::Take(size_t granules, size_t alignment) {
  for (size_t length = non_empty_.Next(granules); length < kGranulesPerArena;
       length = non_empty_.Next(length + 1)) {
    if (alignment <= kGranuleSize) {
      return TakePart(runs_[length].first(), 0, granules);
    }
    for (BlockHeader* run = runs_[length].first(); run != nullptr;
         run = BlockList::Next(run)) {
      const size_t skip = SkipToAlign(run, alignment);
      if (skip + granules <= length) return TakePart(run, skip, granules);
    }
  }
  return nullptr;
}

BlockHeader* FreeRuns::TakeDirty(size_t granules, size_t alignment,
                                 size_t most_clean) {
  for (size_t length = non_empty_.Next(granules); length < kGranulesPerArena;
       length = non_empty_.Next(length + 1)) {
    for (BlockHeader* run = runs_[length].first(); run != nullptr;
         run = BlockList::Next(run)) {
      const ArenaHeader* arena = ArenaHeaderOf(run);
      for (size_t skip = SkipToAlign(run, alignment); skip + granules <= length;
           skip += alignment / kGranuleSize) {
        if (arena->CountClean(GranuleOf(run) + skip, granules) <= most_clean) {
          return TakePart(run, skip, granules);
        }
      }
    }
  }
  return nullptr;
}

bool FreeRuns::TakeAt(BlockHeader* first, size_t granules) {
  if (first->status != BlockStatus::kFree || first->granules < granules) {
    return false;
  }
  TakePart(first, 0, granules);
  return true;
}

void FreeRuns::TakeTop(ArenaHeader* arena, size_t granules) {
  const size_t length = LengthBelow(arena, arena->limit);
  BlockHeader* first = arena->Header(arena->limit - length);
  Remove(first);
  if (granules < length) Insert(first, length - granules);
  DropPurgeable(arena, arena->limit - granules, granules);
}

MEMALLOC_USUAL void FreeRuns::Give(BlockHeader* first, size_t granules) {
  ArenaHeader* arena = ArenaHeaderOf(first);
  const size_t granule = GranuleOf(first);
  MEMALLOC_CHECK(
      granule > 0 && granules > 0 && granule + granules <= arena->limit, first);
  AddPurgeable(arena, granule, granules);
  first->status = BlockStatus::kFree;
  BlockHeader* next = first + granules;
  if (granule + granules < arena->limit && next->status == BlockStatus::kFree) {
    granules += next->granules;
    Remove(next);
  }
  const size_t below = LengthBelow(arena, granule);
  if (below > 0) {
    first -= below;
    granules += below;
    Remove(first);
  }
  Insert(first, granules);
}

size_t FreeRuns::LengthBelow(ArenaHeader* arena, size_t granule) {
  const BlockHeader* header = arena->Header(granule - 1);
  return header->status == BlockStatus::kFree ? header->granules : 0;
}

}  // namespace memalloc
