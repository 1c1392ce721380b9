// Free pages inside a small block that has cells in use. Layer: heap.
//
// A page that no live cell overlaps can go back to the system. The cells that
// begin in it leave the free list then, whose links would be lost: the page is
// marked (PurgedPages in arena.h), and they are counted in the header's
// purged_cells. When they are wanted again they are linked anew, the cells of
// one page at a time.
//
// A page of which a cell that begins before it has the first bytes may be
// marked and be written to nevertheless; what is known to be zero is told apart
// by IsPurged.
//
// All of this belongs to the block's owner and needs no lock.

#ifndef MEMALLOC_HEAP_SPARSE_BLOCK_H_
#define MEMALLOC_HEAP_SPARSE_BLOCK_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/layout/block_header.h"

namespace memalloc {

// What went back to the system.
struct Purged {
  uint64_t bytes = 0;
  uint64_t calls = 0;
};

// Purges the block's free pages that may hold memory. The block must be in no
// list, so that what interrupts this finds it as any other.
Purged PurgeFreePages(BlockHeader* block);

// Links the cells of one purged page into the free list of a block that has
// any. Dies if one was freed, or written to, since the page went.
void RelinkPage(BlockHeader* block);

// Whether granule `i` of the block is known to be zero.
bool IsPurged(const BlockHeader* block, size_t i);

// Dies if a cell of a block with purged pages was freed twice: the counts, by
// which the block is empty, are wrong then.
void CheckFreeCells(const BlockHeader* block);

// For the walker: whether the marks are right.
bool MarksAreSound(const BlockHeader* block);
// Whether the cell begins in a page that is marked.
bool BeginsInPurgedPage(const BlockHeader* block, uintptr_t cell);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_SPARSE_BLOCK_H_
