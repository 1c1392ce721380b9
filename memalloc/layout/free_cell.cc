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

}  // namespace memalloc
