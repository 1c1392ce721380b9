/* Does what its arguments say, one after the other, a line of output for each:
 *
 *   NAME         prints NAME=VALUE of an option
 *   NAME=VALUE   sets it and prints what the call answers
 *   fill:MIB     allocates blocks of MIB MiB and uses them until malloc fails,
 *                prints how many MiB that were, and frees them
 *
 * The first malloc comes before libc's constructors: the environment must be
 * found even then.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memalloc/memalloc.h"

static void* early;

static void Preinit(void) { early = malloc(1000); }

__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(void) = Preinit;

static void Print(const char* name) {
  char value[64];
  if (memalloc_get_option(name, value, sizeof(value)) < 0) strcpy(value, "?");
  printf("%s=%s\n", name, value);
}

static void Set(const char* argument) {
  char name[64];
  const char* value = strchr(argument, '=');
  snprintf(name, sizeof(name), "%.*s", (int)(value - argument), argument);
  printf("%s: %d\n", argument, memalloc_set_option(name, value + 1));
}

static void Fill(size_t mib) {
  void** blocks = NULL;
  size_t count = 0;
  for (;;) {
    errno = 0;
    void** block = malloc(mib << 20);
    if (block == NULL) break;
    memset(block, 1, mib << 20);
    *block = blocks;
    blocks = block;
    ++count;
  }
  printf("%zu %s\n", count * mib, errno == ENOMEM ? "ENOMEM" : "other errno");
  while (blocks != NULL) {
    void** block = blocks;
    blocks = *block;
    free(block);
  }
}

int main(int argc, char** argv) {
  if (memalloc_owns == NULL || memalloc_owns(early) != 1) {
    puts("not memalloc's");
    return 1;
  }
  for (int i = 1; i < argc; ++i) {
    if (strncmp(argv[i], "fill:", 5) == 0) {
      Fill(strtoul(argv[i] + 5, NULL, 10));
    } else if (strchr(argv[i], '=') != NULL) {
      Set(argv[i]);
    } else {
      Print(argv[i]);
    }
  }
  memalloc_check_heap();
  return 0;
}
