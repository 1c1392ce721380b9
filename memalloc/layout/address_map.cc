// The one address map of the process; zero bytes of .bss.

#include "memalloc/layout/address_map.h"

namespace memalloc {

AddressMap g_address_map;

}  // namespace memalloc
