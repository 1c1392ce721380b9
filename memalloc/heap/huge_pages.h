// Where huge pages are asked for. Layer: heap.
//
// A huge page is cleared as a whole when its first byte is touched: a quarter
// of the time for memory that is used densely, and memory wasted where it is
// not. So they are asked for where what came before was filled:
//
//   arenas  that grow for blocks below a megabyte, once the heap is large: the
//           growth before the newest, as that is still being used up
//   blocks  of a megabyte or more, and arenas that grow for one: the last such
//           block that was freed; but no huge block from calloc, where sparse
//           tables come from
//
// No system call tells it: a sandbox may allow few.
//
// When memory of arenas is purged, no more are asked for there: the kernel
// would make huge pages anew of what little is left in them.
//
// The kernel may ignore it (/sys/kernel/mm/transparent_hugepage/enabled).

#ifndef MEMALLOC_HEAP_HUGE_PAGES_H_
#define MEMALLOC_HEAP_HUGE_PAGES_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/layout/arena.h"

namespace memalloc {

inline constexpr size_t kMinBigGranules = 16;  // a megabyte

// Granules that an arena grew by. No granules for none.
struct Growth {
  ArenaHeader* arena;
  size_t first;
  size_t granules;
};

// Whether they are nearly all in use, and their blocks carved. The caller holds
// the central lock.
bool IsFilled(const Growth& growth);

// Whether a block looks filled that is about to become free: a few words of it
// are not zero. It is still the caller's.
bool LooksFilled(uintptr_t start, size_t bytes);

// Advises the kernel about memory that is new to the heap, and will be used
// densely or may not; whether huge pages were asked for. Takes no lock.
bool AdviseNewMemory(uintptr_t start, size_t bytes, bool is_dense);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_HUGE_PAGES_H_
