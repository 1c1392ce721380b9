// The handlers around fork.
//
// The parent holds the central lock while the process is copied, so that what
// the lock guards is whole in the child. What other threads own is not: fork
// copies pages one by one while they run. The child writes it off (see
// CentralHeap::AfterForkInChild); that is a leak bounded by what those threads
// had at hand.

#include <pthread.h>

#include <atomic>

#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

void Prepare() { g_central_heap.PrepareFork(); }

void InParent() { g_central_heap.AfterForkInParent(); }

void InChild() {
  ThreadHeap* heap = t_heap;
  g_central_heap.AfterForkInChild(IsStandIn(heap) ? nullptr : heap);
}

std::atomic<bool> g_registered{false};

}  // namespace

void RegisterForkHandlersOnce() {
  if (g_registered.exchange(true, std::memory_order_relaxed)) return;
  pthread_atfork(&Prepare, &InParent, &InChild);
}

}  // namespace memalloc
