// malloc and its family in libc's place: strong definitions, so that the
// linker takes these and leaves libc's malloc.o out, and the dynamic linker
// finds these first.
//
// The whole set of names stands here, in operator_new.cc, malloc_info.cc and
// mallopt.cc, which link_unit.h ties to this file; should one of libc.a's
// malloc.o be missing, a static link would bring that object in and fail with
// two mallocs. This file is compiled with
// -fno-builtin-malloc and the like: gcc would turn calloc's body into a call of
// calloc.
//
// Contract: malloc(3), posix_memalign(3), malloc_usable_size(3), C17 7.22.3,
// C23 7.24.3 for free_sized and free_aligned_sized.

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "memalloc/api/link_unit.h"
#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/hardened_allocator.h"
#include "memalloc/heap/sized_free.h"
#include "memalloc/os/os.h"

#define MEMALLOC_EXPORT extern "C" __attribute__((visibility("default"), used))

namespace memalloc {

const char g_malloc_is_linked = 1;

namespace {

MEMALLOC_COLD void* FailWith(int error) {
  errno = error;
  return nullptr;
}

MEMALLOC_FAST void* OrNoMemory(void* result) {
  return MEMALLOC_LIKELY(result != nullptr) ? result : FailWith(ENOMEM);
}

// Out of line, so that malloc's fast path ends in a jump.
MEMALLOC_ENTRY MEMALLOC_SLOW void* MallocSlow(size_t size) {
  return OrNoMemory(front::AllocateAnySize(size));
}

MEMALLOC_FAST void* Malloc(size_t size) {
  void* cell = front::TryAllocateFast(size);
  return MEMALLOC_LIKELY(cell != nullptr) ? cell : MallocSlow(size);
}

MEMALLOC_ENTRY void* Calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return FailWith(ENOMEM);
  return OrNoMemory(front::AllocateZeroed(bytes));
}

MEMALLOC_ENTRY void* Realloc(void* pointer, size_t size) {
  if (pointer == nullptr) return Malloc(size);
  if (size == 0) {
    front::Free(pointer);
    return nullptr;
  }
  return OrNoMemory(front::Reallocate(pointer, size));
}

// memalign takes any alignment and rounds it up to a power of two; beyond the
// largest power there is no memory.
MEMALLOC_ENTRY void* Memalign(size_t alignment, size_t size) {
  if (!IsPowerOfTwo(alignment)) {
    if (alignment > kMaxRequest) return FailWith(EINVAL);
    alignment = alignment <= 1 ? 1 : size_t{2} << Log2(alignment - 1);
  }
  return OrNoMemory(front::AllocateAligned(size, alignment));
}

MEMALLOC_ENTRY int PosixMemalign(void** result, size_t alignment, size_t size) {
  if (!IsPowerOfTwo(alignment) || alignment % sizeof(void*) != 0) {
    return EINVAL;
  }
  const int saved_errno = errno;
  void* pointer = front::AllocateAligned(size, alignment);
  errno = saved_errno;
  if (pointer == nullptr) return ENOMEM;
  *result = pointer;
  return 0;
}

MEMALLOC_ENTRY void* AlignedAlloc(size_t alignment, size_t size) {
  if (!IsPowerOfTwo(alignment)) return FailWith(EINVAL);
  return OrNoMemory(front::AllocateAligned(size, alignment));
}

MEMALLOC_ENTRY void* Valloc(size_t size) {
  return OrNoMemory(front::AllocateAligned(size, os::PageSize()));
}

MEMALLOC_ENTRY void* Pvalloc(size_t size) {
  const size_t page = os::PageSize();
  if (size > kMaxRequest) return FailWith(ENOMEM);
  return OrNoMemory(
      front::AllocateAligned(RoundUp(Max<size_t>(size, 1), page), page));
}

}  // namespace
}  // namespace memalloc

MEMALLOC_EXPORT MEMALLOC_ENTRY void* malloc(size_t size) noexcept {
  return memalloc::Malloc(size);
}

MEMALLOC_EXPORT void free(void* pointer) noexcept {
  memalloc::front::Free(pointer);
}

MEMALLOC_EXPORT MEMALLOC_ENTRY void* calloc(size_t count,
                                            size_t size) noexcept {
  return memalloc::Calloc(count, size);
}

MEMALLOC_EXPORT MEMALLOC_ENTRY void* realloc(void* pointer,
                                             size_t size) noexcept {
  return memalloc::Realloc(pointer, size);
}

MEMALLOC_EXPORT MEMALLOC_ENTRY void* reallocarray(void* pointer, size_t count,
                                                  size_t size) noexcept {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    return memalloc::FailWith(ENOMEM);
  }
  return memalloc::Realloc(pointer, bytes);
}

MEMALLOC_EXPORT MEMALLOC_ENTRY void* memalign(size_t alignment,
                                              size_t size) noexcept {
  return memalloc::Memalign(alignment, size);
}

MEMALLOC_EXPORT MEMALLOC_ENTRY int posix_memalign(void** result,
                                                  size_t alignment,
                                                  size_t size) noexcept {
  return memalloc::PosixMemalign(result, alignment, size);
}

MEMALLOC_EXPORT MEMALLOC_ENTRY void* aligned_alloc(size_t alignment,
                                                   size_t size) noexcept {
  return memalloc::AlignedAlloc(alignment, size);
}

MEMALLOC_EXPORT MEMALLOC_ENTRY void* valloc(size_t size) noexcept {
  return memalloc::Valloc(size);
}

MEMALLOC_EXPORT MEMALLOC_ENTRY void* pvalloc(size_t size) noexcept {
  return memalloc::Pvalloc(size);
}

MEMALLOC_EXPORT size_t malloc_usable_size(void* pointer) noexcept {
  return memalloc::front::UsableSize(pointer);
}

MEMALLOC_EXPORT void free_sized(void* pointer, size_t size) noexcept {
  memalloc::front::FreeSized(pointer, size, "free_sized");
}

MEMALLOC_EXPORT void free_aligned_sized(void* pointer, size_t alignment,
                                        size_t size) noexcept {
  memalloc::front::FreeAlignedSized(pointer, alignment, size,
                                    "free_aligned_sized");
}

// Removed from glibc's headers in 2.26, still called by old programs.
MEMALLOC_EXPORT void cfree(void* pointer) noexcept {
  memalloc::front::Free(pointer);
}

// The names under which libc's own parts, and programs that wrap malloc, call
// the allocator.
#define MEMALLOC_ALIAS(name) \
  __attribute__((visibility("default"), used, alias(#name)))
extern "C" {
void* __libc_malloc(size_t) noexcept MEMALLOC_ALIAS(malloc);
void __libc_free(void*) noexcept MEMALLOC_ALIAS(free);
void* __libc_calloc(size_t, size_t) noexcept MEMALLOC_ALIAS(calloc);
void* __libc_realloc(void*, size_t) noexcept MEMALLOC_ALIAS(realloc);
void* __libc_memalign(size_t, size_t) noexcept MEMALLOC_ALIAS(memalign);
void* __libc_valloc(size_t) noexcept MEMALLOC_ALIAS(valloc);
void* __libc_pvalloc(size_t) noexcept MEMALLOC_ALIAS(pvalloc);
int __posix_memalign(void**, size_t, size_t) noexcept
    MEMALLOC_ALIAS(posix_memalign);
}
