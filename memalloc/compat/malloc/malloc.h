/* Apple's calls about sizes on memalloc, for programs that include
 * <malloc/malloc.h>. Sizes are bytes; both are thread-safe and leave errno
 * alone. */

#ifndef MEMALLOC_COMPAT_MALLOC_MALLOC_H_
#define MEMALLOC_COMPAT_MALLOC_MALLOC_H_

#include <malloc.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many bytes malloc(size) makes usable, exactly, as long as no guarded
 * allocations are asked for; `size` if there can be no such allocation, or
 * where there is no memalloc. */
size_t malloc_good_size(size_t size);

/* malloc_usable_size. A pointer that is not from memalloc ends the process
 * unless an option says otherwise (docs/tuning.md#foreign_pointers); Apple's
 * call answers 0 then. */
static inline size_t malloc_size(const void* pointer) {
  return malloc_usable_size((void*)pointer);
}

#ifdef __cplusplus
}
#endif

#endif /* MEMALLOC_COMPAT_MALLOC_MALLOC_H_ */
