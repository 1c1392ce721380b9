// The key of the process's free-list links.

#include "memalloc/layout/free_cell.h"

#include "memalloc/base/check.h"

namespace memalloc {

uintptr_t g_link_key;

void DieOfOverwrittenLink(const FreeCell* cell) {
  DieOfMisuse("malloc", cell,
              "a free cell was written to (its link is overwritten)",
              "write-after-free");
}

void DieOfInteriorCell(uintptr_t cell) {
  DieOfMisuse("malloc", reinterpret_cast<const void*>(cell),
              "not the start of an allocation, but it was freed",
              "interior-pointer");
}

}  // namespace memalloc
