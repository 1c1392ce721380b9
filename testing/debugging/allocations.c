/* Makes allocations of all kinds, keeps in global variables where they are, and
 * stops in stop_here(), while a second thread waits. Told "damage", it first
 * writes over a freed cell.
 *
 * Run by gdb_script_test.py.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { kMiB = 1 << 20, kCells = 100 };

/* Where a debugger finds them without debug information. */
char *place_live, *place_inside, *place_freed, *place_kept, *place_large,
    *place_kept_large, *place_huge, *place_cached;
char *place_others, *place_foreign;

static pthread_barrier_t barrier;

/* The compiler must neither drop nor join what is only printed. */
static char* allocate(size_t size) {
  char* volatile block = malloc(size);
  if (block == NULL) exit(3);
  memset(block, 1, 16);
  return block;
}

static void* work(void* unused) {
  (void)unused;
  place_others = allocate(700);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return NULL;
}

__attribute__((noinline)) void stop_here(void);
void stop_here(void) { __asm__ volatile(""); }

int main(int argc, char** argv) {
  const char* const mode = argc == 2 ? argv[1] : "";
  char* cells[kCells];
  for (int i = 0; i < kCells; ++i) cells[i] = allocate(500);
  place_live = cells[50];
  place_inside = cells[51] + 100;
  place_freed = cells[52];
  free(place_freed);
  place_kept = allocate(5000);
  place_large = allocate(3 * kMiB);
  place_kept_large = allocate(200000);
  place_huge = allocate(20 * kMiB);
  place_cached = allocate(30 * kMiB);
  free(place_cached);
  static char variable;
  place_foreign = &variable;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, NULL) != 0) return 3;
  pthread_barrier_wait(&barrier);
  /* Last: what a thread keeps goes at a tick. */
  free(place_kept_large);
  free(place_kept);
  if (strcmp(mode, "damage") == 0) memset(place_freed, 'x', 8);
  stop_here();
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  return 0;
}
