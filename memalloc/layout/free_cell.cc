// The key of the process's free-list links.

#include "memalloc/layout/free_cell.h"

namespace memalloc {

uintptr_t g_link_key;

}  // namespace memalloc
