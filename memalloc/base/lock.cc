// See lock.h.

#include "memalloc/base/lock.h"

namespace memalloc {

MEMALLOC_TLS unsigned t_forks_under_way;

}  // namespace memalloc
