// The allocator that is under stress, as a program's calls reach it.
//
// Two libraries define it: :libc_names by the names of libc and of C++, behind
// which any allocator may stand, and :core_calls by those of //memalloc:core,
// which runs beside a sanitizer's own malloc.

#ifndef TESTING_STRESS_CALLS_H_
#define TESTING_STRESS_CALLS_H_

#include <cstddef>
#include <new>

namespace stress::calls {

void* Malloc(size_t size);
void* Calloc(size_t size);
void* Memalign(size_t alignment, size_t size);
void* Realloc(void* pointer, size_t size);
void Free(void* pointer);
size_t UsableSize(void* pointer);
void Trim();

void* New(size_t size);
void* New(size_t size, std::align_val_t alignment);
void Delete(void* pointer);
void Delete(void* pointer, size_t size);
void Delete(void* pointer, size_t size, std::align_val_t alignment);

// Whether the allocator that this target is about answers.
bool IsInCharge();
// Walks memalloc's heap; nothing on others.
void CheckHeap();

}  // namespace stress::calls

#endif  // TESTING_STRESS_CALLS_H_
