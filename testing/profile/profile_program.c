/* Does what its arguments say, one after the other. Each function that
 * allocates is known by its name in a profile:
 *
 *   small, medium, large   allocates so many bytes, and keeps them
 *   temporary              allocates small ones and frees each at once
 *   thread                 allocates small ones in a thread that ends
 *   free                   frees what was kept
 *   mark                   growth is counted from here
 *   interval:BYTES         sets how often a sample is taken
 *   write:KIND:PATH        writes a report
 *   wait                   waits until it is killed
 *   fork                   goes on in a child; the parent waits for it and
 * exits
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memalloc/memalloc.h"

/* Sizes that are not rounded up. */
enum {
  kSmallSize = 64,
  kSmallCount = 400000,
  kMediumSize = 5120,
  kMediumCount = 5000,
  kLargeSize = 1 << 20,
  kLargeCount = 30,
};

static void* g_kept[1000000];
static size_t g_kept_count;

/* Out of line, and not the last call, so that it has a frame of its own. */
#define FUNCTION __attribute__((noinline)) void

FUNCTION AllocateSmall(void) {
  for (int i = 0; i < kSmallCount; ++i) {
    g_kept[g_kept_count++] = malloc(kSmallSize);
  }
}

FUNCTION AllocateMedium(void) {
  for (int i = 0; i < kMediumCount; ++i) {
    g_kept[g_kept_count++] = calloc(1, kMediumSize);
  }
}

FUNCTION AllocateLarge(void) {
  for (int i = 0; i < kLargeCount; ++i) {
    void* half = malloc(kLargeSize / 2);
    g_kept[g_kept_count++] = realloc(half, kLargeSize);
  }
}

FUNCTION AllocateTemporary(void) {
  for (int i = 0; i < kSmallCount; ++i) {
    void* volatile block = malloc(kSmallSize);
    free(block);
  }
}

__attribute__((noinline)) void* AllocateInThread(void* argument) {
  for (int i = 0; i < kSmallCount; ++i) {
    g_kept[g_kept_count++] = malloc(kSmallSize);
  }
  return argument;
}

static void RunThread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, &AllocateInThread, NULL) != 0) abort();
  pthread_join(thread, NULL);
}

static void FreeKept(void) {
  while (g_kept_count > 0) free(g_kept[--g_kept_count]);
}

static void Write(const char* argument) {
  char kind[32];
  const char* path = strchr(argument, ':');
  snprintf(kind, sizeof(kind), "%.*s", (int)(path - argument), argument);
  if (memalloc_write_report(kind, path + 1) != 0) abort();
}

static void Mark(void) { memalloc_mark_profile(); }

static void Fork(void) {
  const pid_t child = fork();
  if (child == 0) return;
  int status;
  waitpid(child, &status, 0);
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void Wait(void) { pause(); }

static const struct {
  const char* name;
  void (*run)(void);
} kSteps[] = {
    {"small", &AllocateSmall}, {"medium", &AllocateMedium},
    {"large", &AllocateLarge}, {"temporary", &AllocateTemporary},
    {"thread", &RunThread},    {"free", &FreeKept},
    {"mark", &Mark},           {"fork", &Fork},
    {"wait", &Wait},
};

static void Run(const char* argument) {
  if (strncmp(argument, "write:", 6) == 0) return Write(argument + 6);
  if (strncmp(argument, "interval:", 9) == 0) {
    if (memalloc_set_option("sample_interval", argument + 9) != 0) abort();
    return;
  }
  for (size_t i = 0; i < sizeof(kSteps) / sizeof(kSteps[0]); ++i) {
    if (strcmp(argument, kSteps[i].name) == 0) return kSteps[i].run();
  }
  fprintf(stderr, "unknown step %s\n", argument);
  exit(2);
}

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) Run(arguments[i]);
  return 0;
}
