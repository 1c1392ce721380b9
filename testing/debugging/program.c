/* A program to be looked at with a debugger, by Valgrind and as a core dump.
 *
 *   program work    stops in stop_here(), then makes the heap grow; prints
 * whose memory it uses program bad     leaks a block of 123 bytes and reads
 * behind another program dump    fills 20 MiB and aborts
 *
 * Plain C, one thread. Run by debugging_test.py.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memalloc/memalloc.h"

enum { kMiB = 1 << 20 };

/* Where a debugger finds it, also in a core dump. */
char* volatile text;

/* What a debugger calls: -Wl,--gc-sections removes functions of no use. */
int (*volatile check_heap)(void);
void (*volatile stats)(void);

/* strcpy is not one function, but one for each kind of processor. */
char* copy_text(char* block);
char* copy_text(char* block) {
  char* to = block;
  for (const char* from = text; (*to = *from) != '\0'; ++from) ++to;
  return block;
}

__attribute__((noinline)) void stop_here(void);
void stop_here(void) { __asm__ volatile(""); }

static int work(void) {
  check_heap = memalloc_check_heap;
  stats = malloc_stats;
  text = strdup("a block of the program");
  stop_here();
  if (text[0] == '\0') return copy_text(text) == NULL;
  for (int i = 0; i < 100; ++i) {
    void* volatile block = malloc(kMiB);
    if (block == NULL) return 1;
  }
  puts(memalloc_owns != NULL && memalloc_owns(text) ? "memalloc" : "another");
  free(text);
  return 0;
}

static int bad(void) {
  void* volatile leaked = malloc(123);
  leaked = NULL;
  char* const block = malloc(40);
  const char volatile* const end = block + 40;
  const int behind = *end;
  free(block);
  return leaked == NULL && behind == 1000;
}

static int dump(void) {
  text = strdup("a block of the program");
  for (int i = 0; i < 20; ++i) memset(malloc(kMiB), i + 1, kMiB);
  abort();
}

int main(int argc, char** argv) {
  const char* const mode = argc == 2 ? argv[1] : "";
  if (strcmp(mode, "work") == 0) return work();
  if (strcmp(mode, "bad") == 0) return bad();
  if (strcmp(mode, "dump") == 0) return dump();
  return 2;
}
