// The calls by their names in libc and C++; see calls.h.

#include <malloc.h>

#include <cstdlib>

#include "testing/contract/allocator_in_charge.h"
#include "testing/stress/calls.h"

// clang 14 declares the sized forms only with -fsized-deallocation.
void operator delete(void* pointer, std::size_t size) noexcept;
void operator delete(void* pointer, std::size_t size,
                     std::align_val_t alignment) noexcept;

namespace stress::calls {

void* Malloc(size_t size) { return std::malloc(size); }
void* Calloc(size_t size) { return std::calloc(size, 1); }
void* Memalign(size_t alignment, size_t size) {
  return memalign(alignment, size);
}
void* Realloc(void* pointer, size_t size) {
  return std::realloc(pointer, size);
}
void Free(void* pointer) { std::free(pointer); }
size_t UsableSize(void* pointer) { return malloc_usable_size(pointer); }
void Trim() { malloc_trim(0); }

void* New(size_t size) { return ::operator new(size); }
void* New(size_t size, std::align_val_t alignment) {
  return ::operator new(size, alignment);
}
void Delete(void* pointer) { ::operator delete(pointer); }
void Delete(void* pointer, size_t size) { ::operator delete(pointer, size); }
void Delete(void* pointer, size_t size, std::align_val_t alignment) {
  ::operator delete(pointer, size, alignment);
}

bool IsInCharge() {
  return contract::MemallocInCharge() == contract::kExpectMemalloc;
}
void CheckHeap() { contract::CheckHeap(); }

}  // namespace stress::calls
