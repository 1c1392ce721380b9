/* mimalloc's calls, linked with memalloc. Ends with status 0, or with the line
 * that was not true. */

#include <errno.h>
#include <mimalloc.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

int main(void) {
  char* p = mi_malloc(100);
  CHECK(mi_is_in_heap_region(p) && !mi_is_in_heap_region(&p));
  CHECK(mi_usable_size(p) == mi_good_size(100));
  CHECK(mi_malloc_size(p) == mi_malloc_good_size(100));
  strcpy(p, "kept");
  p = mi_realloc(p, 10000);
  CHECK(strcmp(p, "kept") == 0);
  p = mi_realloc(p, 0);
  CHECK(p != NULL);
  p = mi_reallocn(p, 0, 8);
  CHECK(p != NULL);
  mi_free(p);
  volatile size_t many = SIZE_MAX / 2; /* more than the compiler may know */
  errno = 0;
  CHECK(mi_mallocn(many, 3) == NULL && errno == ENOMEM);
  CHECK(mi_good_size(SIZE_MAX) == SIZE_MAX);

  p = mi_zalloc_aligned(1000, 4096);
  CHECK((uintptr_t)p % 4096 == 0 && p[0] == 0 && p[999] == 0);
  mi_free_size_aligned(p, 1000, 4096);
  p = mi_malloc_aligned(1000, 64);
  CHECK((uintptr_t)p % 64 == 0);
  mi_free_aligned(p, 64);
  p = mi_zalloc(50);
  CHECK(p[0] == 0 && p[49] == 0);
  mi_free_size(p, 50);
  p = mi_calloc(5, 10);
  CHECK(p[49] == 0);
  mi_free(p);
  p = mi_strdup("text");
  CHECK(strcmp(p, "text") == 0);
  mi_free(p);
  p = mi_strndup("text", 2);
  CHECK(strcmp(p, "te") == 0);
  mi_free(p);
  mi_free(mi_malloc_small(8));
  mi_free(mi_zalloc_small(8));

  mi_thread_init();
  mi_collect(true);
  mi_stats_print(NULL);
  mi_thread_done();
  return 0;
}
