// The statistics that the compatibility calls answer from, and the figures that
// other allocators make of them.
//
// A look at the heap takes some milliseconds for each GiB of it, and programs
// ask ten times a second, thinking it cheap; so one look serves for a while.

#ifndef MEMALLOC_COMPAT_SNAPSHOT_H_
#define MEMALLOC_COMPAT_SNAPSHOT_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/memalloc.h"

namespace memalloc_compat {

// The last snapshot, which stays what it is while one of these lives.
class Snapshot {
 public:
  // Takes one if there is none yet.
  Snapshot();
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const struct memalloc_statistics* operator->() const;

  // From now on the figures are new ones, if the heap is small or the last ones
  // are old for its size.
  static void Refresh();
  // The next call of Refresh looks in any case: memory went back.
  static void Forget();

  // ---- jemalloc's figures ----

  // What the program has.
  uint64_t Allocated() const;
  // With free cells among it: the difference is fragmentation.
  uint64_t Active() const;
  // With what is free and resident, and memalloc's own. As jemalloc's it counts
  // all that is allocated as resident.
  uint64_t Resident() const;
  // Blocks in use, whole.
  uint64_t Mapped() const;
  // Free address space without pages.
  uint64_t Retained() const;
  // memalloc's own.
  uint64_t Metadata() const;

  // ---- cells; `size_class` < MEMALLOC_SIZE_CLASSES ----

  const struct memalloc_class_statistics& Of(size_t size_class) const;
  uint64_t CellsPerBlock(size_t size_class) const;
  // Blocks that the cells with memory fill.
  uint64_t FilledBlocks(size_t size_class) const;

  // ---- tcmalloc's figures ----

  // Free and resident, in runs and cached.
  uint64_t FreePages() const;
  // What threads have ready.
  uint64_t AtHand() const;
};

}  // namespace memalloc_compat

#endif  // MEMALLOC_COMPAT_SNAPSHOT_H_
