/* Makes allocations that are known, and writes a heap map before and after a
 * change of them:
 *
 *   heap_map_program BEFORE AFTER
 *
 * Run by heap_map_test.py, and for the page that //tools:heap_map makes.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memalloc/memalloc.h"

enum { kMiB = 1 << 20, kCells = 1000, kLarge = 10, kOthers = 50 };

static void* Allocate(size_t size) {
  char* volatile block = malloc(size);
  if (block == NULL) exit(3);
  memset(block, 1, size);
  return block;
}

static pthread_barrier_t barrier;

static void* Work(void* unused) {
  void* cells[kOthers];
  for (int i = 0; i < kOthers; ++i) cells[i] = Allocate(2000);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < kOthers; ++i) free(cells[i]);
  return unused;
}

static void Write(const char* path) {
  const int error = memalloc_write_report("heap_map", path);
  if (error == 0) return;
  fprintf(stderr, "%s: %s\n", path, strerror(error));
  exit(1);
}

int main(int count, char** arguments) {
  if (count != 3) return 2;
  void* cells[kCells];
  void* large[kLarge];
  pthread_t thread;
  pthread_barrier_init(&barrier, NULL, 2);
  if (pthread_create(&thread, NULL, &Work, NULL) != 0) return 3;
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < kCells; ++i) cells[i] = Allocate(750);
  for (int i = 0; i < kLarge; ++i) large[i] = Allocate(2 * kMiB);
  void* const huge = Allocate(20 * kMiB);
  Write(arguments[1]);
  for (int i = 0; i < kCells; i += 2) free(cells[i]);
  for (int i = 0; i < kLarge; i += 2) free(large[i]);
  for (int i = 0; i < 3 * kCells; ++i) Allocate(240);
  Allocate(40 * kMiB);
  free(huge);
  Write(arguments[2]);
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  return 0;
}
