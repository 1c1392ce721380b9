// See lock.h.

#include "memalloc/base/lock.h"

namespace memalloc {

MEMALLOC_TLS bool t_holds_all_for_fork;

}  // namespace memalloc
