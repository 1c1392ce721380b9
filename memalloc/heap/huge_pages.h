// Where huge pages are asked for. Layer: heap.
//
// A huge page is cleared as a whole when its first byte is touched: a quarter
// of the time for memory that is used densely, and memory wasted where it is
// not. So they are asked for where use is known to be dense: for what arenas
// grow by for blocks below a megabyte, once the heap is large, if the growth
// before the newest was filled (the newest is still being used up).
//
// Of larger blocks it is not known. No system call tells it that every sandbox
// allows, and their pages cannot be read: the program may have protected them.
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

// Granules that an arena grew by. No granules for none.
struct Growth {
  ArenaHeader* arena;
  size_t first;
  size_t granules;
};

// Whether they are nearly all in use, and their blocks carved. The caller holds
// the central lock.
bool IsFilled(const Growth& growth);

// Advises the kernel about memory that is new to the heap, and will be used
// densely or may not; whether huge pages were asked for. Takes no lock.
bool AdviseNewMemory(uintptr_t start, size_t bytes, bool is_dense);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_HUGE_PAGES_H_
