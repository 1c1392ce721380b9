// The walk; see heap_walk.h.

#include "memalloc/heap/heap_walk.h"

#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"

namespace memalloc {

HeapState CentralHeap::StateOf(const ThreadHeap* heap) const {
  if (heap->in_use_) return HeapState::kInUse;
  for (const ThreadHeap* parked = parked_heaps_; parked != nullptr;
       parked = parked->next_free_) {
    if (parked == heap) return HeapState::kParked;
  }
  return HeapState::kIdle;
}

void CentralHeap::Walk(HeapVisitor* visitor) {
  const LockHolder holder(lock_);
  WalkLocked(visitor);
}

void CentralHeap::WalkLocked(HeapVisitor* visitor) {
  for (const ThreadHeap* heap = heaps_; heap != nullptr; heap = heap->next_) {
    visitor->OnThreadHeap({heap, StateOf(heap), heap->thread_});
  }
  for (ArenaHeader* arena = arenas_; arena != nullptr; arena = arena->next) {
    visitor->OnArena(*arena);
    for (size_t granule = 1; granule < arena->limit;) {
      const BlockHeader* block = arena->Header(granule);
      visitor->OnBlock(*arena, *block);
      granule += Max<size_t>(1, block->granules);
    }
  }
  for (ArenaHeader* huge = huge_; huge != nullptr; huge = huge->next) {
    visitor->OnHuge(*huge, /*is_cached=*/false);
  }
  huge_cache_.ForEach([visitor](const ArenaHeader* mapping) {
    visitor->OnHuge(*mapping, /*is_cached=*/true);
  });
}

}  // namespace memalloc
