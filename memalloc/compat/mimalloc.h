/* What programs commonly call of mimalloc, on libc's names, for those that
 * include <mimalloc.h>. Sizes are bytes, alignments powers of two; each behaves
 * as the call that it stands for, and sets errno as that does.
 *
 * Not here: heaps of their own (mi_heap_...), arenas, options, statistics by
 * mimalloc's structures. docs/moving.md says what stands for these.
 */

#ifndef MEMALLOC_COMPAT_MIMALLOC_H_
#define MEMALLOC_COMPAT_MIMALLOC_H_

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "memalloc/memalloc.h"

static inline void* mi_malloc(size_t size) { return malloc(size); }
static inline void* mi_malloc_small(size_t size) { return malloc(size); }
static inline void* mi_zalloc(size_t size) { return calloc(1, size); }
static inline void* mi_zalloc_small(size_t size) { return calloc(1, size); }
static inline void* mi_calloc(size_t count, size_t size) {
  return calloc(count, size);
}
static inline void* mi_mallocn(size_t count, size_t size) {
  return reallocarray(NULL, count, size);
}
static inline void* mi_realloc(void* p, size_t size) {
  /* mimalloc makes a block of 0 bytes; libc's realloc frees. */
  return realloc(p, size == 0 ? 1 : size);
}
static inline void* mi_reallocn(void* p, size_t count, size_t size) {
  if (count == 0 || size == 0) return mi_realloc(p, 0);
  return reallocarray(p, count, size);
}
static inline char* mi_strdup(const char* text) { return strdup(text); }
static inline char* mi_strndup(const char* text, size_t length) {
  return strndup(text, length);
}
static inline void mi_free(void* p) { free(p); }

/* The size and the alignment are not looked at. */
static inline void mi_free_size(void* p, size_t size) {
  (void)size;
  free(p);
}
static inline void mi_free_size_aligned(void* p, size_t size,
                                        size_t alignment) {
  (void)size;
  (void)alignment;
  free(p);
}
static inline void mi_free_aligned(void* p, size_t alignment) {
  (void)alignment;
  free(p);
}

static inline void* mi_malloc_aligned(size_t size, size_t alignment) {
  return aligned_alloc(alignment, size);
}
static inline void* mi_zalloc_aligned(size_t size, size_t alignment) {
  void* p = aligned_alloc(alignment, size);
  return p == NULL ? NULL : memset(p, 0, size);
}

static inline size_t mi_usable_size(const void* p) {
  return malloc_usable_size((void*)p);
}
/* What malloc makes usable for `size`; `size` if there can be no such
 * allocation or there is no memalloc. */
static inline size_t mi_good_size(size_t size) {
  const size_t good =
      memalloc_good_size == NULL ? 0 : memalloc_good_size(size, 0);
  return good == 0 ? size : good;
}
static inline size_t mi_malloc_size(const void* p) { return mi_usable_size(p); }
static inline size_t mi_malloc_good_size(size_t size) {
  return mi_good_size(size);
}

/* Gives back all free memory, whatever is said. */
static inline void mi_collect(bool force) {
  (void)force;
  malloc_trim(0);
}

/* Whether the address lies in memory of memalloc, allocated or not. */
static inline bool mi_is_in_heap_region(const void* p) {
  return memalloc_owns != NULL && memalloc_owns(p) != 0;
}

/* memalloc's statistics as text, on standard error. */
static inline void mi_stats_print(void* ignored) {
  (void)ignored;
  malloc_stats();
}

/* Threads need neither. */
static inline void mi_thread_init(void) {}
static inline void mi_thread_done(void) {}

#endif /* MEMALLOC_COMPAT_MIMALLOC_H_ */
