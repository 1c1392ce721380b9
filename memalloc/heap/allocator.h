// The allocator as one interface, without libc's names: what the api layer
// interposes and what unit tests call beside the system's malloc. Layer: heap.
//
// Failure is null and leaves errno alone; the api layer sets it. Free leaves
// errno alone on every path. All of it is thread-safe.

#ifndef MEMALLOC_HEAP_ALLOCATOR_H_
#define MEMALLOC_HEAP_ALLOCATOR_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/lookup.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {

// ---- slow paths ----

// Any size; also serves what the fast path could not.
MEMALLOC_SLOW void* AllocateAnySize(size_t size);
// Any pointer; `call` is the name for an error's message.
MEMALLOC_SLOW void FreeAnyPointer(void* pointer, const char* call) noexcept;
// A pointer into an arena, to a block that the running thread does not own.
// `header` is that of its granule.
MEMALLOC_SLOW void FreeOther(void* pointer, BlockHeader* header) noexcept;

// ---- malloc and free ----

// The fast path: null when AllocateAnySize must be asked.
MEMALLOC_FAST void* TryAllocateFast(size_t size) {
  if (MEMALLOC_UNLIKELY(size > kMaxTableSize)) return nullptr;
  ThreadHeap* heap = t_heap;
  return heap->TryAllocate(heap->ClassOf(size));
}

// At least `size` bytes, aligned to 16.
MEMALLOC_FAST void* Allocate(size_t size) {
  void* cell = TryAllocateFast(size);
  return MEMALLOC_LIKELY(cell != nullptr) ? cell : AllocateAnySize(size);
}

// Frees a cell of a block of the thread's heap, unless there is more to be done
// than that.
MEMALLOC_FAST void FreeOwn(ThreadHeap* heap, BlockHeader* block,
                           void* pointer) {
  auto* cell = static_cast<FreeCell*>(pointer);
  if (MEMALLOC_LIKELY(!cell->HasFreeTag())) {
    return heap->FreeOwn(block, cell);
  }
  FreeAnyPointer(pointer, "free");
}

// Frees what any of the allocating functions returned; null is ignored.
MEMALLOC_FAST void Free(void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (MEMALLOC_LIKELY(HasHeader(address))) {
    const size_t slot = AddressMap::SlotOf(address);
    BlockHeader* block = HeaderInTable(slot, address);
    ThreadHeap* heap = t_heap;
    if (MEMALLOC_UNLIKELY(!block->IsOwnedBy(heap))) {
      return FreeOther(pointer, block);
    }
    return FreeOwn(heap, block, pointer);
  }
  FreeAnyPointer(pointer, "free");
}

// ---- the rest ----

// `size` zero bytes.
void* AllocateZeroed(size_t size);

// At least `size` bytes at a multiple of `alignment`, a power of two.
void* AllocateAligned(size_t size, size_t alignment);

// Whether that is a cell, and of at least how many bytes: the cell size of a
// multiple of the alignment is another one. It is the multiple itself, or a
// multiple of a step between classes that is larger than the alignment.
inline bool IsCellAtAlignment(size_t size, size_t alignment) {
  return alignment <= kGranuleSize && size <= kMaxSmallSize;
}
inline size_t CellSizeAtAlignment(size_t size, size_t alignment) {
  return RoundUp(Max<size_t>(size, 1), alignment);
}

// Moves or resizes as realloc(3) for a non-null pointer and size > 0. On
// failure the old block stays as it was; a foreign pointer that is not to end
// the process is a failure.
void* Reallocate(void* pointer, size_t size);

// Whether a block of `old_size` bytes may stay for `size`: large enough, and
// less than one part in `parts` of it wasted.
MEMALLOC_FAST bool FitsWell(size_t size, size_t old_size, size_t parts) {
  // Of a larger `size` the difference wraps round.
  return old_size - size < old_size / parts;
}

// Bytes that may be used behind `pointer`; 0 for null, and for a foreign
// pointer that is not to end the process.
size_t UsableSize(const void* pointer);

// What UsableSize says of a new allocation of `size` bytes at a multiple of
// `alignment`, a power of two; 0 if there can be none.
size_t GoodSize(size_t size, size_t alignment);

// Whether `pointer` lies in memory of this allocator.
bool Owns(const void* pointer);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_ALLOCATOR_H_
