// Linked into targets that run on libc's malloc: their tests fail if anything
// else answers. Running the same rows on libc proves that the rows describe
// what programs have been getting all along, not what memalloc happens to do.
// Its counterpart is expect_memalloc.cc; see allocator_in_charge.h. No state,
// no locking.

#include "testing/contract/allocator_in_charge.h"

namespace contract {
const bool kExpectMemalloc = false;
}  // namespace contract
