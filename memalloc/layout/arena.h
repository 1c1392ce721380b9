// The arena's own record: the header of its granule 0. Layer: layout.
//
// An arena is backed from its start up to `limit`; the rest of its range may
// be nobody's, or not yet ours. All fields are guarded by the central lock.

#ifndef MEMALLOC_LAYOUT_ARENA_H_
#define MEMALLOC_LAYOUT_ARENA_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/bit_set.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/constants.h"

namespace memalloc {

// A bit for each granule of an arena.
using GranuleBits = BitSet<kGranulesPerArena>;

// What else is known of an arena's free granules. It stands behind the table,
// whose first record is full.
struct alignas(MEMALLOC_CACHE_LINE) FreeGranules {
  GranuleBits purgeable;  // free and dirty
  GranuleBits idle;       // of these, not touched since the last tick
};

// A bit for each page of a granule: the cells that begin there are free, but in
// no list, since it was purged. They belong to the owner of the small block
// that has the granule, and mean something only while that has purged_cells.
// They stand behind FreeGranules.
using PurgedPages = uint16_t;

enum class ArenaKind : uint8_t {
  kBreak,   // cut from the program break
  kMapped,  // a mapping, committed step by step
  kHuge,    // holds one huge block; limit has no meaning
};

struct alignas(MEMALLOC_CACHE_LINE) ArenaHeader {
  std::atomic<ThreadHeap*> owner;  // always null, as BlockHeader's
  ArenaHeader* next;               // all arenas, or all huge blocks
  ArenaHeader* prev;
  BlockStatus status;  // kArenaTable
  ArenaKind kind;
  uint16_t limit;   // granules backed, the table's own among them
  bool huge_pages;  // were asked for, at least for a part

  struct HugeBlock {
    uintptr_t start;  // what malloc returned
    size_t bytes;     // from there on; 0 while the mapping is cached
    size_t mapped;    // from there on: the block, and pages to spare behind it
    uint64_t since;   // when it was listed or cached, in milliseconds
  };
  union {
    // One bit for each granule that may hold something else than zero; clear
    // means that the kernel gave it and nobody used it yet.
    GranuleBits dirty;
    HugeBlock huge;  // kHuge
  };

  uintptr_t Start() const { return ArenaOf(reinterpret_cast<uintptr_t>(this)); }
  uintptr_t End() const { return Start() + limit * kGranuleSize; }
  BlockHeader* Header(size_t granule) {
    return reinterpret_cast<BlockHeader*>(this) + granule;
  }

  // Not of kHuge. A page that is first touched when a dirty granule is free.
  FreeGranules* Free() {
    const uintptr_t table = reinterpret_cast<uintptr_t>(this) - Start();
    const uintptr_t behind = (table + kTableSize) % kGranuleSize;
    return reinterpret_cast<FreeGranules*>(Start() + behind);
  }

  PurgedPages* Purged(size_t granule) {
    return reinterpret_cast<PurgedPages*>(Free() + 1) + granule;
  }

  size_t CountClean(size_t granule, size_t count) const {
    return count - dirty.Count(granule, count);
  }

  // kHuge: whether the address lies in the mapping.
  bool HasHuge(uintptr_t address) const {
    return address >= Start() && address < huge.start + huge.mapped;
  }

 private:
  static constexpr size_t kTableSize = kGranulesPerArena * sizeof(BlockHeader);
};

static_assert(sizeof(ArenaHeader) == sizeof(BlockHeader));
static_assert(sizeof(FreeGranules) == MEMALLOC_CACHE_LINE);
static_assert(offsetof(ArenaHeader, status) == offsetof(BlockHeader, status));

MEMALLOC_FAST ArenaHeader* ArenaHeaderAt(uintptr_t arena) {
  return reinterpret_cast<ArenaHeader*>(HeaderOf(arena));
}
MEMALLOC_FAST ArenaHeader* ArenaHeaderOf(const BlockHeader* header) {
  return ArenaHeaderAt(ArenaOf(reinterpret_cast<uintptr_t>(header)));
}

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_ARENA_H_
