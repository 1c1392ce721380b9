// The mapping of one huge block: made, resized, given back. Layer: heap.
//
// The mapping looks like an arena with one block: it begins at a multiple of
// the arena's size with a header table, so that a pointer leads to its header
// as everywhere. The block begins behind the table, or at its alignment. A
// block aligned to the arena's size or more begins a slot of its own; its
// header stands in the slot before (SlotKind::kHugeAligned).
//
// The functions take no lock: a mapping belongs to the one who holds it.

#ifndef MEMALLOC_HEAP_HUGE_MAPPING_H_
#define MEMALLOC_HEAP_HUGE_MAPPING_H_

#include <stddef.h>

#include "memalloc/layout/arena.h"

namespace memalloc {

// No mapping is larger: there is room for the table, for aligning and for
// rounding up without overflow.
inline constexpr size_t kMaxHugeSize = kMaxRequest / 4;

// A new mapping with a block of at least `size` zero bytes at a multiple of
// `alignment` (a power of two); null when memory is short. The caller sets
// the status of the block's header.
ArenaHeader* MakeHugeMapping(size_t size, size_t alignment);

// The same mapping with a block of `size` bytes, perhaps elsewhere; null, with
// all as it was, if that cannot be. Alignment beyond a granule is not kept. A
// larger block first uses what the mapping has to spare; a smaller one leaves
// nothing to spare.
ArenaHeader* ResizeHugeMapping(ArenaHeader* arena, size_t size);

// Gives back what the mapping has behind the first `bytes` of its block, a
// multiple of the page size.
void CutHugeMapping(ArenaHeader* arena, size_t bytes);

void DropHugeMapping(ArenaHeader* arena);

// Granules that a new mapping for such a block spans.
size_t HugeGranulesFor(size_t size, size_t alignment);

// Granules that the mapping spans.
size_t HugeMappingGranules(const ArenaHeader* arena);

// The header of the mapping's block.
BlockHeader* HugeBlockOf(const ArenaHeader* arena);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_HUGE_MAPPING_H_
