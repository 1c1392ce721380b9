// The links of a block's free cells are looked at before they are followed.
// Layer: layout.
//
// A link is a cell of the same block, or 0 at the end of a list. If it is
// neither, somebody wrote to a free cell, or freed what is no cell. In a build
// without checks all of this is empty.

#ifndef MEMALLOC_LAYOUT_FREE_LIST_H_
#define MEMALLOC_LAYOUT_FREE_LIST_H_

#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/settings.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/free_cell.h"

namespace memalloc {

// `next`, to which the link of `cell` leads, is no cell of the block.
[[noreturn]] MEMALLOC_COLD void DieOfBadLink(const BlockHeader* block,
                                             const FreeCell* cell,
                                             uintptr_t next);

// Dies unless `next`, to which the link of `cell` leads and which is not 0, is
// a cell of the block.
MEMALLOC_FAST void CheckLink(const BlockHeader* block, const FreeCell* cell,
                             uintptr_t next) {
  if (kHasChecks && MEMALLOC_UNLIKELY(!IsCellOf(block, next))) {
    DieOfBadLink(block, cell, next);
  }
}

// Dies unless `first`, where a free list begins, is a cell of the block.
MEMALLOC_FAST void CheckFirst(const BlockHeader* block, uintptr_t first) {
  if (kHasChecks && MEMALLOC_UNLIKELY(!IsCellOf(block, first))) {
    DieOfInteriorCell(first);
  }
}

// Whether the cell holds a link of a free list, or of a batch. Live data looks
// the same once in 2^40 times at most.
MEMALLOC_FAST bool IsFreeCell(const BlockHeader* block, const FreeCell* cell) {
  if (MEMALLOC_LIKELY(!cell->HasFreeTag())) return false;
  const uintptr_t next = cell->Next(block->link_key);
  return next == 0 || IsCellOf(block, next);
}

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_FREE_LIST_H_
