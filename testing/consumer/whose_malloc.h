/* Tells whose malloc a pointer came from; for C and C++. */

#ifndef WHOSE_MALLOC_H_
#define WHOSE_MALLOC_H_

#include <stddef.h>

#include "memalloc/memalloc.h"

/* The functions of memalloc.h are null in a program without memalloc. */
static inline const char* WhoseMalloc(const void* pointer) {
  if (memalloc_owns != NULL && memalloc_owns(pointer)) return "memalloc";
  return "libc";
}

#endif /* WHOSE_MALLOC_H_ */
