/* Prints the name of the allocator that serves it: "memalloc", "libc", or
 * "both" when blocks of its own and blocks that libc allocates for it come from
 * different ones.
 *
 * A C program, so that memalloc.h is also compiled as C, and one that links
 * without memalloc: the header's functions are weak. It is the control of the
 * link matrix (on libc, with the same options) and the subject of the ways to
 * name memalloc in Bazel. Run by link_matrix_test.py and bazel_ways_test.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memalloc/memalloc.h"

int main(void) {
  /* Volatile, or the compiler may drop malloc and free of unread memory. */
  void* volatile block = malloc(100);
  char* const copy = strdup("allocated inside libc");
  const char* allocator = "libc";
  if (memalloc_owns != NULL) {
    const int ours = memalloc_owns(block) + memalloc_owns(copy);
    allocator = ours == 2 ? "memalloc" : ours == 0 ? "libc" : "both";
  }
  puts(allocator);
  free(copy);
  free(block);
  return fflush(stdout) == 0 ? 0 : 1;
}
