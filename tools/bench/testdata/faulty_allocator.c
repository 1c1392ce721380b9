/* An allocator that goes wrong, to be preloaded by tests of the driver: what
 * it does is chosen when it is compiled. Until then it is libc's.
 *
 *   FAULT_CRASH    the process dies of SIGSEGV when it starts
 *   FAULT_HANG     the process never gets to main
 *   FAULT_OVERLAP  every object of 100 bytes is at one place
 */
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

extern void* __libc_malloc(size_t size);
extern void __libc_free(void* object);

static char shared_place[128] __attribute__((aligned(16)));

__attribute__((constructor)) static void Begin(void) {
#ifdef FAULT_CRASH
  raise(SIGSEGV);
#endif
#ifdef FAULT_HANG
  for (;;) pause();
#endif
}

void* malloc(size_t size) {
#ifdef FAULT_OVERLAP
  if (size == 100) return shared_place;
#endif
  return __libc_malloc(size);
}

void free(void* object) {
  if (object != shared_place) __libc_free(object);
}
