// Apple's malloc_good_size; see malloc/malloc.h.

#include "memalloc/compat/malloc/malloc.h"
#include "memalloc/memalloc.h"

extern "C" __attribute__((visibility("default"))) size_t malloc_good_size(
    size_t size) {
  const size_t good =
      memalloc_good_size == nullptr ? 0 : memalloc_good_size(size, 0);
  return good == 0 ? size : good;
}
