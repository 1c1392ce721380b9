// The threads' quarantines: empty from the start.

#include "memalloc/hardened/quarantine.h"

namespace memalloc {

MEMALLOC_TLS Quarantine t_quarantine;

}  // namespace memalloc
