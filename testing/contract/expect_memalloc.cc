// Linked into targets that have `malloc = "//memalloc"`: their tests fail
// unless memalloc answers. Its counterpart is expect_libc.cc; see
// allocator_in_charge.h for why the expectation is a link-time constant: it
// then cannot be forgotten on a command line, and a test run by hand outside
// Bazel has it too. No state, no locking.

#include "testing/contract/allocator_in_charge.h"

namespace contract {
const bool kExpectMemalloc = true;
}  // namespace contract
