/* Does what its arguments say, one after the other. Each function that
 * allocates is known by its name in a report; these lose what they allocate:
 *
 *   small, large, huge, zeroed, aligned, resized   one call each
 *   list, cycle       blocks that only others of these lead to
 *   hidden            the address is kept, but not as it is
 *   in_freed          it is kept in a block that was freed
 *   in_thread         in a thread that ends
 *   library           Leak() of a library, if one is preloaded that has it
 *
 * and these keep it, in a place that is to be found:
 *
 *   global, interior, chain, tls, thread_stack, thread_tls, page, shared
 *
 * Then:
 *
 *   free              allocates and frees
 *   fork              goes on in a child; the parent waits for it
 *   set:OPTION:VALUE  sets an option
 *   write:PATH        writes a leak report
 *   small_stack:PATH  the same, on a stack of 16 KiB
 *   make:PATH         makes an empty file
 *   text:TEXT         prints it, without a line's end
 *   wait              waits until it is killed
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memalloc/memalloc.h"

/* Sizes that are not rounded up. */
enum {
  kSmall = 64,
  kLarge = 1 << 20,
  kHuge = 24 << 20,
  kPage = 4096,
  kSmallCount = 100,
};

struct Node {
  struct Node* next;
  char rest[kSmall - sizeof(struct Node*)];
};

/* Out of line, and not the last call, so that it has a frame of its own. */
#define FUNCTION __attribute__((noinline)) void

/* Not to be optimised away. */
static void Use(void* block) { __asm__ volatile("" : : "r"(block) : "memory"); }

FUNCTION LoseSmall(void) {
  for (int i = 0; i < kSmallCount; ++i) Use(malloc(kSmall));
}
FUNCTION LoseLarge(void) {
  Use(malloc(kLarge));
  Use(NULL);
}
FUNCTION LoseHuge(void) {
  Use(malloc(kHuge));
  Use(NULL);
}
FUNCTION LoseZeroed(void) {
  Use(calloc(2, kSmall));
  Use(NULL);
}
FUNCTION LoseAligned(void) {
  Use(aligned_alloc(kPage, kPage));
  Use(NULL);
}
FUNCTION LoseResized(void) {
  Use(realloc(malloc(kSmall), kLarge));
  Use(NULL);
}

static struct Node* NewNode(struct Node* next) {
  struct Node* node = malloc(sizeof(*node));
  node->next = next;
  return node;
}

/* One direct, the others indirect, in whatever order they are found. */
FUNCTION LoseList(void) {
  struct Node* first = malloc(sizeof(*first));
  struct Node* middle = NewNode(NULL);
  first->next = middle;
  for (int i = 0; i < 8; ++i) {
    middle->next = NewNode(NULL);
    middle = middle->next;
  }
  Use(first);
}

FUNCTION LoseCycle(void) {
  struct Node* first = NewNode(NULL);
  first->next = NewNode(first);
  Use(first);
}

static volatile uintptr_t g_hidden;

FUNCTION LoseHidden(void) {
  g_hidden = ~(uintptr_t)malloc(kSmall);
  Use(NULL);
}

static void** volatile g_freed;

/* Beyond what the hardened build clears. */
FUNCTION LoseInFreed(void) {
  g_freed = malloc(kSmall);
  g_freed[kSmall / sizeof(void*) - 2] = malloc(kSmall);
  free(g_freed);
}

__attribute__((noinline)) void* LoseInThread(void* unused) {
  for (int i = 0; i < kSmallCount; ++i) Use(malloc(kSmall));
  return unused;
}

/* So that no frame of the stack that is kept for the next thread has it. */
__attribute__((noinline)) void* ClearThreadsStack(void* unused) {
  char rest[32768];
  memset(rest, 0, sizeof(rest));
  Use(rest);
  return unused;
}

static void RunThread(void* (*run)(void*)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, NULL) != 0) abort();
  pthread_join(thread, NULL);
}

static void LoseInAThread(void) {
  RunThread(&LoseInThread);
  RunThread(&ClearThreadsStack);
}

extern void Leak(void) __attribute__((weak));
static void LoseInLibrary(void) {
  if (Leak == NULL) abort();
  Leak();
}

/* ---- kept ---- */

static void* volatile g_kept;
static char* volatile g_inside;
static struct Node* volatile g_chain;
static __thread void* volatile t_kept;

FUNCTION KeepGlobal(void) {
  g_kept = malloc(kLarge);
  Use(NULL);
}

FUNCTION KeepInterior(void) {
  g_inside = (char*)malloc(kSmall) + kSmall - 1;
  Use(NULL);
}

FUNCTION KeepChain(void) {
  for (int i = 0; i < kSmallCount; ++i) g_chain = NewNode(g_chain);
}

FUNCTION KeepTls(void) {
  t_kept = malloc(kSmall);
  Use(NULL);
}

/* In anonymous memory that is no stack. */
static void** NewPage(int sharing) {
  return mmap(NULL, kPage, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1,
              0);
}

FUNCTION KeepInPage(void) {
  NewPage(MAP_PRIVATE)[kPage / sizeof(void*) - 1] = malloc(kSmall);
}

FUNCTION KeepInSharedPage(void) { *NewPage(MAP_SHARED) = malloc(kSmall); }

static pthread_barrier_t g_barrier;

__attribute__((noinline)) void* KeepOnThreadsStack(void* unused) {
  void* volatile kept = malloc(kSmall);
  pthread_barrier_wait(&g_barrier);
  pause();
  free(kept);
  return unused;
}

__attribute__((noinline)) void* KeepInThreadsTls(void* unused) {
  t_kept = malloc(kSmall);
  pthread_barrier_wait(&g_barrier);
  pause();
  return unused;
}

static void StartThread(void* (*run)(void*)) {
  pthread_t thread;
  pthread_barrier_init(&g_barrier, NULL, 2);
  if (pthread_create(&thread, NULL, run, NULL) != 0) abort();
  pthread_barrier_wait(&g_barrier);
}

/* ---- */

FUNCTION AllocateAndFree(void) {
  void* all[kSmallCount];
  for (int i = 0; i < kSmallCount; ++i) all[i] = malloc(kSmall);
  for (int i = 0; i < kSmallCount; ++i) free(all[i]);
}

static void FreeSmall(void) {
  AllocateAndFree();
  AllocateAndFree();
}

static void KeepOnThreadStack(void) { StartThread(&KeepOnThreadsStack); }
static void KeepInThreadTls(void) { StartThread(&KeepInThreadsTls); }

static void Fork(void) {
  const pid_t child = fork();
  if (child == 0) return;
  int status;
  waitpid(child, &status, 0);
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void Set(const char* argument) {
  char name[32];
  const char* value = strchr(argument, ':');
  snprintf(name, sizeof(name), "%.*s", (int)(value - argument), argument);
  if (memalloc_set_option(name, value + 1) != 0) abort();
}

static void Write(const char* path) {
  if (memalloc_write_report("leaks", path) != 0) abort();
}

__attribute__((noinline)) void* WriteThere(void* path) {
  Write(path);
  return NULL;
}

/* What stands below the stack must stay as it is. */
static void WriteOnSmallStack(const char* path) {
  enum { kStack = 16 << 10, kFill = 0x75 };
  unsigned char* memory = mmap(NULL, 2 * kStack, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(memory, kFill, 2 * kStack);
  pthread_attr_t attributes;
  pthread_t thread;
  if (pthread_attr_init(&attributes) != 0 ||
      pthread_attr_setstack(&attributes, memory + kStack, kStack) != 0 ||
      pthread_create(&thread, &attributes, &WriteThere, (void*)path) != 0) {
    abort();
  }
  pthread_join(thread, NULL);
  int left = 0;
  while (memory[left] == kFill) ++left;
  if (left < kStack) abort();
}

static void MakeFile(const char* path) {
  const int file = open(path, O_WRONLY | O_CREAT, 0600);
  if (file < 0) abort();
  close(file);
}

static void Print(const char* text) { fputs(text, stdout); }

static void Wait(void) { pause(); }

static const struct {
  const char* name;
  void (*run)(void);
} kSteps[] = {
    {"small", &LoseSmall},
    {"large", &LoseLarge},
    {"huge", &LoseHuge},
    {"zeroed", &LoseZeroed},
    {"aligned", &LoseAligned},
    {"resized", &LoseResized},
    {"list", &LoseList},
    {"cycle", &LoseCycle},
    {"hidden", &LoseHidden},
    {"in_freed", &LoseInFreed},
    {"in_thread", &LoseInAThread},
    {"library", &LoseInLibrary},
    {"global", &KeepGlobal},
    {"interior", &KeepInterior},
    {"chain", &KeepChain},
    {"tls", &KeepTls},
    {"page", &KeepInPage},
    {"shared", &KeepInSharedPage},
    {"thread_stack", &KeepOnThreadStack},
    {"thread_tls", &KeepInThreadTls},
    {"free", &FreeSmall},
    {"fork", &Fork},
    {"wait", &Wait},
};

static const struct {
  const char* name;
  void (*run)(const char* argument);
} kStepsWithText[] = {
    {"set:", &Set},
    {"write:", &Write},
    {"small_stack:", &WriteOnSmallStack},
    {"make:", &MakeFile},
    {"text:", &Print},
};

static void Run(const char* argument) {
  for (size_t i = 0; i < sizeof(kSteps) / sizeof(kSteps[0]); ++i) {
    if (strcmp(argument, kSteps[i].name) == 0) return kSteps[i].run();
  }
  for (size_t i = 0; i < sizeof(kStepsWithText) / sizeof(*kStepsWithText);
       ++i) {
    const size_t length = strlen(kStepsWithText[i].name);
    if (strncmp(argument, kStepsWithText[i].name, length) == 0) {
      return kStepsWithText[i].run(argument + length);
    }
  }
  fprintf(stderr, "unknown step %s\n", argument);
  exit(2);
}

/* What a step left behind on the stack, or in a register, is no root. */
FUNCTION ClearStack(void) {
  char rest[65536];
  memset(rest, 0, sizeof(rest));
  Use(rest);
}

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    Run(arguments[i]);
    ClearStack();
  }
  return 0;
}
