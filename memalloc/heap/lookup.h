// From a pointer that the program passes to its block; what is said of pointers
// that lead to none. Layer: heap.
//
// For slow paths: all that can be seen without a list of allocations is looked
// at here. What a foreign pointer means is an option; every other mistake ends
// the process.

#ifndef MEMALLOC_HEAP_LOOKUP_H_
#define MEMALLOC_HEAP_LOOKUP_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/settings.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/layout/block_header.h"

namespace memalloc {

// Whether the pointer's slot begins with a table of headers, as that of each
// small or large block does. Without checks only what a correct program passes
// is told apart: null, and huge blocks that begin a slot.
MEMALLOC_FAST bool HasHeader(uintptr_t address) {
  if constexpr (!kHasChecks) return address % kArenaSize != 0;
  const size_t slot = AddressMap::SlotOf(address);
  return g_address_map.Get(slot) == SlotKind::kArena;
}

// Its header then; another one, but a header, for a pointer that is none.
// `slot` is the address' own.
MEMALLOC_FAST BlockHeader* HeaderInTable(size_t slot, uintptr_t address) {
  if constexpr (!kHasChecks) return HeaderOf(address);
  return reinterpret_cast<BlockHeader*>((slot << kArenaShift) +
                                        HeaderOffset(address));
}

// The block of a pointer that malloc returned. Dies with a message about `call`
// for any other pointer, but returns null for a foreign one that is to be
// ignored, and for each one into the guard pool.
BlockHeader* BlockOfAllocation(uintptr_t address, const char* call);

// Bytes that may be used of the allocation, or of each cell of the block.
size_t SizeOf(const BlockHeader* block);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_LOOKUP_H_
