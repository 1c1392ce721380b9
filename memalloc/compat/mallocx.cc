// jemalloc's allocating calls (jemalloc/jemalloc.h) on libc's names.

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memalloc/compat/jemalloc/jemalloc.h"
#include "memalloc/memalloc.h"

// Of C23; glibc 2.36 has neither, memalloc has both.
extern "C" __attribute__((weak)) void free_sized(void* pointer, size_t size);
extern "C" __attribute__((weak)) void free_aligned_sized(void* pointer,
                                                         size_t alignment,
                                                         size_t size);

#define MEMALLOC_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr size_t kMallocsAlignment = 16;

size_t AlignmentOf(int flags) { return size_t{1} << (flags & 63); }

bool IsZeroed(int flags) { return (flags & MALLOCX_ZERO) != 0; }

// What is usable is used: programs may, and rallocx takes all of it for
// cleared.
void ClearFrom(void* pointer, size_t first) {
  const size_t size = malloc_usable_size(pointer);
  if (size <= first) return;
  memset(static_cast<char*>(pointer) + first, 0, size - first);
}

}  // namespace

MEMALLOC_EXPORT void* mallocx(size_t size, int flags) {
  const size_t alignment = AlignmentOf(flags);
  const bool is_aligned = alignment > kMallocsAlignment;
  if (!IsZeroed(flags)) {
    return is_aligned ? aligned_alloc(alignment, size) : malloc(size);
  }
  void* pointer = is_aligned ? aligned_alloc(alignment, size) : calloc(1, size);
  if (pointer != nullptr) ClearFrom(pointer, is_aligned ? 0 : size);
  return pointer;
}

MEMALLOC_EXPORT void* rallocx(void* pointer, size_t size, int flags) {
  if (size == 0) size = 1;  // realloc would free it
  const size_t old_size = malloc_usable_size(pointer);
  const size_t kept = old_size < size ? old_size : size;
  const size_t alignment = AlignmentOf(flags);
  void* result = nullptr;
  if (alignment <= kMallocsAlignment) {
    result = realloc(pointer, size);
  } else if (void* moved = aligned_alloc(alignment, size)) {
    if (pointer != nullptr) {
      memcpy(moved, pointer, kept);
      free(pointer);
    }
    result = moved;
  }
  if (result != nullptr && IsZeroed(flags)) ClearFrom(result, kept);
  return result;
}

MEMALLOC_EXPORT size_t xallocx(void* pointer, size_t, size_t, int) {
  return malloc_usable_size(pointer);
}

MEMALLOC_EXPORT size_t sallocx(const void* pointer, int) {
  return malloc_usable_size(const_cast<void*>(pointer));
}

MEMALLOC_EXPORT size_t nallocx(size_t size, int flags) {
  return memalloc_good_size == nullptr
             ? size
             : memalloc_good_size(size, AlignmentOf(flags));
}

MEMALLOC_EXPORT void dallocx(void* pointer, int) { free(pointer); }

MEMALLOC_EXPORT void sdallocx(void* pointer, size_t size, int flags) {
  const size_t alignment = AlignmentOf(flags);
  if (alignment > kMallocsAlignment && free_aligned_sized != nullptr) {
    free_aligned_sized(pointer, alignment, size);
  } else if (free_sized != nullptr) {
    free_sized(pointer, size);
  } else {
    free(pointer);
  }
}
