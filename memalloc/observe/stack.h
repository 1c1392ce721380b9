// The call stack of the running thread. Layer: observe.
//
// By the unwinder of the compiler's library, which finds its tables without a
// lock (glibc 2.35 and later) and goes through code without frame pointers. It
// may allocate at its first use, so it is never asked with a lock held.

#ifndef MEMALLOC_OBSERVE_STACK_H_
#define MEMALLOC_OBSERVE_STACK_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc {

inline constexpr size_t kMaxStackDepth = 64;

// Fills `frames` with return addresses, from the call of malloc (or its like)
// outwards: how many. Deeper ones are left out. None if that cannot be yet.
size_t CaptureStack(uintptr_t (&frames)[kMaxStackDepth]);

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_STACK_H_
