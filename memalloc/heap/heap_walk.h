// A walk over all that the heap has, for who wants to look at it. Layer: heap.
//
// Everything is told under the central lock, so that it fits together; a
// visitor must neither allocate nor free nor ask the central heap. The numbers
// of a small block that a thread owns are estimates, as the thread goes on.

#ifndef MEMALLOC_HEAP_HEAP_WALK_H_
#define MEMALLOC_HEAP_HEAP_WALK_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/layout/arena.h"
#include "memalloc/layout/block_header.h"

namespace memalloc {

enum class HeapState : uint8_t {
  kInUse,   // a thread has it, or works on it
  kParked,  // waits for a thread, with blocks and cells
  kIdle,    // waits for one, and has nothing
};

struct ThreadHeapView {
  const ThreadHeap* heap;
  HeapState state;
  uintptr_t thread;  // pthread_self() of the last thread that had it
};

class HeapVisitor {
 public:
  // First the heaps, then each arena and what begins in it: blocks and free
  // runs, in the order of addresses. The arena's table is none of them.
  virtual void OnThreadHeap(const ThreadHeapView& view) = 0;
  virtual void OnArena(const ArenaHeader& arena) = 0;
  virtual void OnBlock(const ArenaHeader& arena, const BlockHeader& block) = 0;
  // Then the mappings of huge blocks; `is_cached`: of a block that was freed.
  virtual void OnHuge(const ArenaHeader& mapping, bool is_cached) = 0;

 protected:
  ~HeapVisitor() = default;
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_HEAP_WALK_H_
