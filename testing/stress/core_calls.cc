// The calls by their names in the core; see calls.h.

#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "testing/stress/calls.h"

namespace stress::calls {

void* Malloc(size_t size) { return memalloc::Allocate(size); }
void* Calloc(size_t size) { return memalloc::AllocateZeroed(size); }
void* Memalign(size_t alignment, size_t size) {
  return memalloc::AllocateAligned(size, alignment);
}
void* Realloc(void* pointer, size_t size) {
  return memalloc::Reallocate(pointer, size);
}
void Free(void* pointer) { memalloc::Free(pointer); }
size_t UsableSize(void* pointer) { return memalloc::UsableSize(pointer); }
void Trim() { memalloc::g_central_heap.Trim(0); }

void* New(size_t size) { return Malloc(size); }
void* New(size_t size, std::align_val_t alignment) {
  return Memalign(static_cast<size_t>(alignment), size);
}
void Delete(void* pointer) { Free(pointer); }
void Delete(void* pointer, size_t) { Free(pointer); }
void Delete(void* pointer, size_t, std::align_val_t) { Free(pointer); }

bool IsInCharge() {
  void* block = Malloc(1);
  const bool is_ours = memalloc::Owns(block);
  Free(block);
  return is_ours;
}
void CheckHeap() { memalloc::g_central_heap.Check(memalloc::t_heap); }

}  // namespace stress::calls
