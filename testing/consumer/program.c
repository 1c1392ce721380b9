/* The same in C, where libc itself allocates too. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "whose_malloc.h"

int main(void) {
  char* copy = strdup("a text that libc copies");
  puts(WhoseMalloc(copy));
  free(copy);
  return 0;
}
