// Where the heap's memory is: what a walk of all headers finds (census.cc).
// Layer: heap.
//
// What the lock guards is exact. What threads work on meanwhile, their bins and
// the blocks that they own, is as it was read: a little off for a thread that
// was at work just then, exact for one that was not.

#ifndef MEMALLOC_HEAP_CENSUS_H_
#define MEMALLOC_HEAP_CENSUS_H_

#include <stdint.h>

#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/resident_pages.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {

// Blocks, and cells, of one class.
struct ClassCensus {
  uint64_t blocks = 0;
  uint64_t handed_out = 0;  // those of the next three lines too
  uint64_t in_bins = 0;
  uint64_t in_magazines = 0;
  uint64_t travelling = 0;  // in batches, outboxes and inboxes
  uint64_t free = 0;        // in their blocks' free lists
  uint64_t purged = 0;
  uint64_t uncarved = 0;
  Extent carved;             // all but uncarved cells
  Extent behind;             // the rest of the blocks
  uint64_t allocations = 0;  // so far
  uint64_t frees = 0;

  // The program has them. Of counts that were read at different moments.
  uint64_t Live() const {
    const uint64_t kept = in_bins + in_magazines + travelling;
    return handed_out > kept ? handed_out - kept : 0;
  }
};

struct Census {
  ClassCensus classes[kNumSizeClasses];
  Extent large;
  Extent large_kept;  // in threads' magazines
  Extent huge;
  Extent huge_spare;   // behind huge blocks
  Extent huge_cached;  // without a block
  Extent free_runs;
  Extent tables;  // of arenas and of huge blocks
  Extent thread_heaps;
  bool knows_residents = true;  // the kernel said which pages are resident

  uint64_t large_blocks = 0;
  uint64_t large_allocations = 0;  // so far
  uint64_t large_frees = 0;
  uint64_t huge_blocks = 0;
  uint64_t huge_allocations = 0;  // so far
  uint64_t huge_frees = 0;

  CentralCounts counts = {};
  uint64_t parked_heaps = 0;
  uint64_t idle_heaps = 0;
  // Of the central lock and that of purging.
  uint64_t lock_acquisitions = 0;
  uint64_t lock_waits = 0;
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_CENSUS_H_
