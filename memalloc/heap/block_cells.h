// The cells of a block one at a time, for who has no bin. Layer: heap.
//
// The caller owns the block.

#ifndef MEMALLOC_HEAP_BLOCK_CELLS_H_
#define MEMALLOC_HEAP_BLOCK_CELLS_H_

#include "memalloc/layout/block_header.h"
#include "memalloc/layout/free_cell.h"

namespace memalloc {

// Whether the block has a cell to hand out.
inline bool HasCells(const BlockHeader* block) {
  return block->free_list != 0 || block->purged_cells != 0 ||
         block->carved < block->capacity;
}

// Hands one out; the block has any.
FreeCell* TakeCell(BlockHeader* block);

// Takes one back.
void PutCell(BlockHeader* block, FreeCell* cell);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_BLOCK_CELLS_H_
