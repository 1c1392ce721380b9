// Asks the weak functions of memalloc.h who owns two blocks; see
// allocator_report.h.
//
// Invariant: the block under test comes from malloc through a volatile
// pointer, because a compiler that knows malloc may drop a pair of malloc and
// free whose memory nobody reads. No locking; called once, by main.
#include "testing/programs/allocator_report.h"

#include <cstdio>
#include <cstdlib>

#include "memalloc/memalloc.h"

namespace programs {

void ReportAllocator(const void* library_block) {
  if (memalloc_owns == nullptr) {
    std::fputs("allocator: libc\n", stderr);
    return;
  }
  void* volatile block = std::malloc(1);
  const int malloc_ours = memalloc_owns(block);
  const int library_ours = memalloc_owns(library_block);
  std::free(block);
  if (malloc_ours != 1 || library_ours != 1) {
    std::fprintf(stderr, "allocator: mixed (malloc %d, library %d)\n",
                 malloc_ours, library_ours);
    return;
  }
  const bool consistent = memalloc_check_heap() == 1;
  std::fprintf(stderr, "allocator: memalloc, heap %s\n",
               consistent ? "consistent" : "inconsistent");
}

}  // namespace programs
