// The arena's own record: the header of its granule 0. Layer: layout.
//
// An arena is backed from its start up to `limit`; the rest of its range may
// be nobody's, or not yet ours. All fields are guarded by the central lock.

#ifndef MEMALLOC_LAYOUT_ARENA_H_
#define MEMALLOC_LAYOUT_ARENA_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/layout/block_header.h"
#include "memalloc/layout/constants.h"

namespace memalloc {

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
  uint16_t limit;  // granules backed, the table's own among them

  struct HugeBlock {
    uintptr_t start;  // what malloc returned
    size_t bytes;     // from there on; 0 while the mapping is cached
    size_t mapped;    // from there on: the block, and pages to spare behind it
  };
  union {
    // One bit for each granule that may hold something else than zero; clear
    // means that the kernel gave it and nobody used it yet.
    uint64_t dirty[kGranulesPerArena / 64];
    HugeBlock huge;  // kHuge
  };

  uintptr_t Start() const { return ArenaOf(reinterpret_cast<uintptr_t>(this)); }
  uintptr_t End() const { return Start() + limit * kGranuleSize; }
  BlockHeader* Header(size_t granule) {
    return reinterpret_cast<BlockHeader*>(this) + granule;
  }

  // kHuge: whether the address lies in the mapping.
  bool HasHuge(uintptr_t address) const {
    return address >= Start() && address < huge.start + huge.mapped;
  }

  bool IsDirty(size_t granule) const {
    return (dirty[granule / 64] >> granule % 64 & 1) != 0;
  }
  size_t CountClean(size_t granule, size_t count) const {
    size_t clean = count;
    for (size_t g = granule; g < granule + count; ++g) {
      clean -= IsDirty(g) ? 1 : 0;
    }
    return clean;
  }
  void ClearDirty(size_t granule, size_t count) {
    for (size_t g = granule; g < granule + count; ++g) {
      dirty[g / 64] &= ~(uint64_t{1} << g % 64);
    }
  }
  void SetDirty(size_t granule, size_t count) {
    for (size_t g = granule; g < granule + count; ++g) {
      dirty[g / 64] |= uint64_t{1} << g % 64;
    }
  }
};

static_assert(sizeof(ArenaHeader) == sizeof(BlockHeader));
static_assert(offsetof(ArenaHeader, status) == offsetof(BlockHeader, status));

MEMALLOC_FAST ArenaHeader* ArenaHeaderAt(uintptr_t arena) {
  return reinterpret_cast<ArenaHeader*>(HeaderOf(arena));
}
MEMALLOC_FAST ArenaHeader* ArenaHeaderOf(const BlockHeader* header) {
  return ArenaHeaderAt(ArenaOf(reinterpret_cast<uintptr_t>(header)));
}

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_ARENA_H_
