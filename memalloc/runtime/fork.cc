// The handlers around fork.
//
// The parent holds the central lock while the process is copied, so that what
// the lock guards is whole in the child. What other threads own is not: fork
// copies pages one by one while they run. The child writes it off (see
// CentralHeap::AfterForkInChild); that is a leak bounded by what those threads
// had at hand.

#include <pthread.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/guard_point.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/heap/watched_calls.h"
#include "memalloc/runtime/path_options.h"
#include "memalloc/runtime/runtime.h"

// glibc's lock of the list of open streams; recursive, exported, in no header.
extern "C" {
void _IO_list_lock() __attribute__((weak));
void _IO_list_unlock() __attribute__((weak));
void _IO_list_resetlock() __attribute__((weak));
}

// glibc 2.32 and later; weak, as a static program need not have it.
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#pragma weak __libc_single_threaded
#endif

namespace memalloc {
namespace {

// Whether other threads may run beside this one; if not known, yes.
bool MayHaveThreads() {
#if __has_include(<sys/single_threaded.h>)
  return &__libc_single_threaded == nullptr || __libc_single_threaded == 0;
#else
  return true;
#endif
}

// The same of the moment before the fork. Written under the central lock.
bool g_has_threads;

// fork takes this lock of stdio's after our handler; whoever holds it may be
// waiting for ours (fflush of a stream in memory). So it comes first here.
void Prepare() {
  if (&_IO_list_lock != nullptr) _IO_list_lock();
  PrepareForkOfStacks();
  PrepareForkOfBackgroundThread();
  PrepareForkOfPaths();
  g_guard_pool.PrepareFork();
  g_central_heap.PrepareFork();
  g_has_threads = MayHaveThreads();
}

void InParent() {
  g_central_heap.AfterForkInParent();
  g_guard_pool.AfterForkInParent();
  AfterForkOfPaths(/*in_child=*/false);
  AfterForkOfBackgroundThread(/*in_child=*/false);
  AfterForkOfStacks(/*in_child=*/false);
  if (&_IO_list_unlock != nullptr) _IO_list_unlock();
}

void InChild() {
  if (&_IO_list_resetlock != nullptr) _IO_list_resetlock();
  const OwnHeapScope scope;
  ThreadHeap* heap = t_heap;
  g_central_heap.AfterForkInChild(IsStandIn(heap) ? nullptr : heap,
                                  g_has_threads);
  g_guard_pool.AfterForkInChild();
  t_sampling_point.Restart();
  t_guard_point.Restart();
  AfterForkOfPaths(/*in_child=*/true);
  AfterForkOfBackgroundThread(/*in_child=*/true);
  TellForkedChild();
  AfterForkOfStacks(/*in_child=*/true);
  // Inside of a handler of an outer fork, which is still to come.
  if (HoldsAllForFork() && &_IO_list_lock != nullptr) _IO_list_lock();
}

std::atomic<bool> g_registered{false};

}  // namespace

MEMALLOC_USUAL void RegisterForkHandlersOnce() {
  if (g_registered.exchange(true, std::memory_order_relaxed)) return;
  if (pthread_atfork(&Prepare, &InParent, &InChild) != 0) {
    g_registered.store(false, std::memory_order_relaxed);  // the next tries
  }
}

}  // namespace memalloc
