// Cells one at a time; see block_cells.h.

#include "memalloc/heap/block_cells.h"

#include "memalloc/heap/sparse_block.h"
#include "memalloc/layout/free_list.h"

namespace memalloc {

FreeCell* TakeCell(BlockHeader* block) {
  FreeCell* cell;
  if (block->free_list == 0 && block->purged_cells != 0) RelinkPage(block);
  if (block->free_list != 0) {
    cell = CellAt(block->free_list);
    CheckFirst(block, block->free_list);
    block->free_list = cell->Next(block->link_key);
    if (block->free_list != 0) CheckLink(block, cell, block->free_list);
    block->free_base -= 1;
  } else {
    cell = CellAt(BlockStart(block) + block->carved * size_t{block->cell_size});
    block->carved += 1;
  }
  cell->Clear();
  return cell;
}

void PutCell(BlockHeader* block, FreeCell* cell) {
  cell->SetNext(block->free_list, block->link_key);
  block->free_list = AddressOf(cell);
  block->free_base += 1;
}

}  // namespace memalloc
