// Where huge pages are asked for. Layer: heap.
//
// A huge page is cleared as a whole when its first byte is touched: a quarter
// of the time for memory that is used densely, and memory wasted where it is
// not. So they are asked for where use is known to be dense: for what arenas
// grow by for blocks below a megabyte, once the heap is large, if the growth
// before the newest was filled (the newest is still being used up).
//
// Whether the clearing is cheap is tried out: where the machine is a guest, its
// host may have no memory behind a huge page yet, and then the first touch
// takes longer than those of all its small pages.
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

// Finds out now and then what the first touch of a huge page costs. After a
// slow one the next is tried twice as many growths later. The caller holds the
// central lock.
class HugePageTrial {
 public:
  // Whether huge pages pay in [start, start + bytes), which was never touched.
  // Touches the first that lies in it.
  bool Passes(uintptr_t start, size_t bytes);

 private:
  unsigned pause_ = 0;  // growths from the last slow trial to the next one
  unsigned left_ = 0;   // of them
};

// Advises the kernel about memory that is new to the heap. `trial` is null if
// it is not known to be used densely. Whether huge pages were asked for. Takes
// no lock.
bool AdviseNewMemory(uintptr_t start, size_t bytes, HugePageTrial* trial);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_HUGE_PAGES_H_
