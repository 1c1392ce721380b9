// Where huge pages are asked for. Layer: heap.
//
// A huge page is cleared as a whole when its first byte is touched: a quarter
// of the time for memory that is used densely, and memory wasted where it is
// not. So they are asked for where use is known to be dense:
//
//   arenas  that grow for blocks below a megabyte, once the heap is large: such
//           blocks are packed, and what a huge page may waste is little then
//   blocks  of a megabyte or more, and arenas that grow for one: if the one
//           before was filled; no huge block from calloc, where sparse tables
//           come from
//
// When memory of arenas is purged, no more are asked for there: the kernel
// would make huge pages anew of what little is left in them.
//
// The kernel may ignore it (/sys/kernel/mm/transparent_hugepage/enabled).

#ifndef MEMALLOC_HEAP_HUGE_PAGES_H_
#define MEMALLOC_HEAP_HUGE_PAGES_H_

#include <stddef.h>
#include <stdint.h>

namespace memalloc {

// The newest block of a megabyte or more, as it was made. It may be gone.
inline constexpr size_t kMinBigGranules = 16;
struct BigBlock {
  uintptr_t start;
  size_t bytes;
};

// What the memory is wanted for: [start, start + bytes) will be used densely,
// sparsely or not much, or as the big block before was.
enum class Use : uint8_t { kDense, kSparse, kAsBefore };

// Advises the kernel about memory that is new to the heap; whether huge pages
// were asked for. Takes no lock.
bool AdviseNewMemory(uintptr_t start, size_t bytes, Use use, BigBlock before);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_HUGE_PAGES_H_
