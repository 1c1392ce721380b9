/* A program that was written for jemalloc, and calls more than libc's names. */

#include <jemalloc/jemalloc.h>
#include <stdio.h>

#include "whose_malloc.h"

int main(void) {
  void* p = mallocx(100, MALLOCX_ALIGN(64));
  size_t allocated = 0;
  size_t size = sizeof(allocated);
  if (mallctl("stats.allocated", &allocated, &size, NULL, 0) != 0) return 1;
  puts(allocated >= 100 ? WhoseMalloc(p) : "nobody's");
  sdallocx(p, 100, MALLOCX_ALIGN(64));
  return 0;
}
