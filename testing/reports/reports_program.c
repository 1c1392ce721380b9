/* Does what its arguments say, one after the other:
 *
 *   write:KIND:PATH  writes a report and prints what the call answers
 *   info             has malloc_info print
 *   fork             goes on in a child; the parent waits for it and exits
 *   line             prints "ready" and waits for a line on standard input
 *   _exit            ends without exit handlers
 *   alarm            allocates until a signal's handler calls exit
 */

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memalloc/memalloc.h"

static void Write(const char* argument) {
  char kind[32];
  const char* path = strchr(argument, ':');
  snprintf(kind, sizeof(kind), "%.*s", (int)(path - argument), argument);
  printf("%s: %d\n", kind, memalloc_write_report(kind, path + 1));
}

static void Fork(void) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) return;
  int status;
  waitpid(child, &status, 0);
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void Exit(int signal) {
  (void)signal;
  exit(0);
}

/* Blocks that each take the heap's lock. */
static void AllocateUntilAlarm(void) {
  signal(SIGALRM, Exit);
  ualarm(20000, 0);
  for (size_t i = 0;; ++i) {
    void* volatile block = malloc(2000000 + i % 100 * 10000);
    free(block);
  }
}

int main(int count, char** arguments) {
  void* volatile live = malloc(1000);
  for (int i = 1; i < count; ++i) {
    const char* argument = arguments[i];
    char line[16];
    if (strncmp(argument, "write:", 6) == 0) {
      Write(argument + 6);
    } else if (strcmp(argument, "info") == 0) {
      if (malloc_info(0, stdout) != 0) return 1;
    } else if (strcmp(argument, "fork") == 0) {
      Fork();
    } else if (strcmp(argument, "line") == 0) {
      puts("ready");
      fflush(stdout);
      if (fgets(line, sizeof(line), stdin) == NULL) return 1;
    } else if (strcmp(argument, "alarm") == 0) {
      AllocateUntilAlarm();
    } else if (strcmp(argument, "_exit") == 0) {
      fflush(stdout);
      _exit(0);
    } else {
      return 2;
    }
  }
  free(live);
  return 0;
}
