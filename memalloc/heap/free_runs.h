// The free runs of granules, by length: best fit in constant time. Layer:
// heap.
//
// A run never leaves its arena, so its length is below 256 and one list for
// each length, with a bitmap of the non-empty ones, is an exact best fit.
// Invariants: no two free runs touch; the first and the last header of a run
// have status kFree and its length. Which free granules are dirty, and which of
// these lie idle, is noted beside (FreeGranules): taking a granule clears both.
// Guarded by the central lock.

#ifndef MEMALLOC_HEAP_FREE_RUNS_H_
#define MEMALLOC_HEAP_FREE_RUNS_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/heap/block_list.h"
#include "memalloc/layout/arena.h"
#include "memalloc/layout/constants.h"

namespace memalloc {

class FreeRuns {
 public:
  constexpr FreeRuns() = default;

  // Takes `granules` granules out of the shortest run that has room for them
  // at a multiple of `alignment` bytes (a power of two, at least a granule);
  // what is left over in front and behind stays free. Null if there is none.
  // The result's granules field is set, its status is the caller's to set.
  BlockHeader* Take(size_t granules, size_t alignment);

  // The same wherever no more than `most_clean` of the granules are clean, not
  // in the shortest run for sure. Walks all runs.
  BlockHeader* TakeDirty(size_t granules, size_t alignment, size_t most_clean);

  // Takes the `granules` granules at `first`, if they are the beginning of a
  // free run.
  bool TakeAt(BlockHeader* first, size_t granules);

  // Takes a part of the free run at `first`.
  BlockHeader* TakePart(BlockHeader* first, size_t skip, size_t granules);

  // Takes `granules` granules off the end of the run that ends at the arena's
  // limit, which has as many.
  void TakeTop(ArenaHeader* arena, size_t granules);

  // Makes granules free that are in no run, and joins them with their free
  // neighbours. All of the arena up to its limit must be described.
  void Give(BlockHeader* first, size_t granules);

  // Length of the run that ends just below `granule` of the arena; 0 if that
  // is in use.
  static size_t LengthBelow(ArenaHeader* arena, size_t granule);

  size_t total_granules() const { return total_granules_; }
  // Those of them that are dirty.
  size_t purgeable_granules() const { return purgeable_granules_; }

  // For the walkers: the first run of each length.
  const BlockList& OfLength(size_t granules) const { return runs_[granules]; }

 private:
  void Insert(BlockHeader* first, size_t granules);
  void Remove(BlockHeader* first);

  // Keeps count of dirty granules that become free, or are taken.
  void AddPurgeable(ArenaHeader* arena, size_t granule, size_t count);
  void DropPurgeable(ArenaHeader* arena, size_t granule, size_t count);

  BlockList runs_[kGranulesPerArena];
  GranuleBits non_empty_ = {};  // lengths that have a run
  size_t total_granules_ = 0;
  size_t purgeable_granules_ = 0;
};

// Describes a block in use to its neighbours: its length in the first header
// and in the last, whose status must not say kFree any longer.
void SetBlockBounds(BlockHeader* first, size_t granules);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_FREE_RUNS_H_
