// What is said of a bad link.

#include "memalloc/layout/free_list.h"

#include "memalloc/layout/constants.h"

namespace memalloc {

void DieOfBadLink(const BlockHeader* block, const FreeCell* cell,
                  uintptr_t next) {
  // Who hits the block by chance freed a pointer into a cell of it.
  const uintptr_t start = BlockStart(block);
  if (next - start < block->granules * kGranuleSize) DieOfInteriorCell(next);
  DieOfOverwrittenLink(cell);
}

}  // namespace memalloc
