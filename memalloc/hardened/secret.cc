// The secret of the process.

#include "memalloc/hardened/secret.h"

namespace memalloc {

Secret g_secret;

}  // namespace memalloc
