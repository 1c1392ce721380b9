// A thread's heap, from its first need to the thread's end.
//
// The end comes through the destructor of a pthread key. Destructors of other
// keys may still allocate and free, in glibc for four rounds, so ours asks to
// be called again until the last round; then the heap goes back and what the
// thread still does is served by the central heap.

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/hardened_allocator.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/heap/watched_calls.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

// Written once, by the initialisation; a process with no key left keeps the
// heaps of its dead threads.
bool g_has_key;
pthread_key_t g_key;

// Rounds of destructors to let pass. ThreadSanitizer ends a thread in the last
// one, after which nothing that it instruments may run.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MEMALLOC_LAST_ROUND_IS_TAKEN 1
#endif
#endif
#ifdef MEMALLOC_LAST_ROUND_IS_TAKEN
constexpr int kRoundsToWait = PTHREAD_DESTRUCTOR_ITERATIONS - 2;
#else
constexpr int kRoundsToWait = PTHREAD_DESTRUCTOR_ITERATIONS - 1;
#endif

MEMALLOC_TLS int t_rounds_left = kRoundsToWait;

// The key's value is not relied on: a library that dlmopen loaded may have
// overwritten it, as its libc numbers its keys anew and the thread's values are
// the same.
void OnThreadExit(void* /*value*/) {
  const OwnHeapScope scope;
  ThreadHeap* heap = t_heap;
  if (IsStandIn(heap)) return;
  if (t_rounds_left > 0) {
    --t_rounds_left;
    if (pthread_setspecific(g_key, heap) == 0) return;
  }
  if constexpr (kIsHardened) hardened::EmptyQuarantine();
  t_heap = &g_gone_heap;
  g_central_heap.ReturnThreadHeap(heap);
  TellThreadEnds();
}

}  // namespace

MEMALLOC_USUAL void MakeThreadExitKey() {
  g_has_key = pthread_key_create(&g_key, &OnThreadExit) == 0;
}

void RegisterThreadExit() {
  if (!g_has_key) return;
  // May call calloc when the program has many keys; the heap is ready for it.
  // If that fails the heap stays with the dead: a leak, not an error.
  pthread_setspecific(g_key, t_heap);
}

MEMALLOC_USUAL ThreadHeap* AttachThread() {
  if (t_kept_heap != nullptr) {
    // The thread was watched, and is no longer.
    t_heap = t_kept_heap;
    t_kept_heap = nullptr;
  }
  ThreadHeap* heap = t_heap;
  if (heap == &g_gone_heap) return nullptr;
  if (!IsStandIn(heap)) return heap;
  InitialiseOnce();
  heap = g_central_heap.AcquireThreadHeap();
  if (heap == nullptr) return nullptr;
  t_heap = heap;
  // Free may have brought us here, and libc's calls may fail to allocate.
  const int saved_errno = errno;
  RegisterForkHandlersOnce();
  RegisterThreadExit();
  StartWantedBackgroundThread();
  errno = saved_errno;
  return heap;
}

}  // namespace memalloc
