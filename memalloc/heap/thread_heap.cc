// The heaps that stand before any thread has one, and the pointer to them.

#include "memalloc/heap/thread_heap.h"

#include "memalloc/base/attributes.h"

namespace memalloc {

MEMALLOC_USUAL_DATA const FreeCell kNoCell = {kHasChecks ? ~uintptr_t{0} : 0};

ThreadHeap g_no_heap(kInboxClosed);
ThreadHeap g_gone_heap(kInboxClosed);
ThreadHeap g_central_owner(kInboxClosed);

MEMALLOC_TLS ThreadHeap* t_heap = &g_no_heap;

}  // namespace memalloc
