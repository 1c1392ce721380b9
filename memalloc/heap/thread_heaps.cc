// The register of thread heaps: who has one, which wait for a thread.
//
// The heap of a thread that ends is parked as it stands, blocks, bins and all,
// and the next new thread goes on with it: starting and ending a thread then
// costs a lock each. Few are parked, and before the heap grows they are emptied
// into the orphan lists one by one, so that what dead threads left is used
// first.

#include <pthread.h>

#include <new>

#include "memalloc/base/attributes.h"
#include "memalloc/base/settings.h"
#include "memalloc/hardened/guard.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/arena.h"

namespace memalloc {
namespace {

constexpr uint32_t kMaxParked = 8;

}  // namespace

MEMALLOC_USUAL ThreadHeap* CentralHeap::TakeParkedHeap() {
  // In a child whose handler has yet to run their inboxes may be torn.
  if (parked_heaps_ == nullptr || HoldsAllForFork()) return nullptr;
  return Unpark(&parked_heaps_);
}

// Takes the heap that `link` leads to out of the parked ones.
ThreadHeap* CentralHeap::Unpark(ThreadHeap** link) {
  ThreadHeap* heap = *link;
  *link = heap->next_free_;
  --parked_count_;
  heap->in_use_ = true;
  return heap;
}

MEMALLOC_USUAL ThreadHeap* CentralHeap::AcquireThreadHeap() {
  Shortage shortage;
  for (;;) {
    ThreadHeap* heap = TryAcquireThreadHeap(&shortage);
    if (heap != nullptr || !MakeRoom(&shortage)) return heap;
  }
}

MEMALLOC_USUAL ThreadHeap* CentralHeap::TryAcquireThreadHeap(
    Shortage* shortage) {
  const LockHolder holder(lock_);
  ThreadHeap* heap = TakeParkedHeap();
  if (heap == nullptr && idle_heaps_ != nullptr) {
    heap = idle_heaps_;
    idle_heaps_ = heap->next_free_;
    // Whoever still knows the heap from its former thread may send to it
    // again; the new thread routes what comes.
    heap->inbox_.store(kInboxEmpty, std::memory_order_release);
  }
  if (heap == nullptr) {
    if (metadata_end_ - metadata_ < sizeof(ThreadHeap)) {
      BlockHeader* run = TakeRun(1, kGranuleSize, shortage);
      if (run == nullptr) return nullptr;
      run->status = BlockStatus::kMetadata;
      ArenaHeaderOf(run)->dirty.Set(GranuleOf(run), 1);
      metadata_ = BlockStart(run);
      metadata_end_ = metadata_ + kGranuleSize;
      if constexpr (kIsHardened) GuardEnds(&metadata_, &metadata_end_);
    }
    heap = new (reinterpret_cast<void*>(metadata_)) ThreadHeap(kInboxEmpty);
    metadata_ += sizeof(ThreadHeap);
    heap->next_ = heaps_;
    heaps_ = heap;
  }
  heap->in_use_ = true;
  heap->thread_ = pthread_self();
  return heap;
}

void CentralHeap::ReturnThreadHeap(ThreadHeap* heap) {
  heap->Flush();
  if (!Park(heap)) EmptyThreadHeap(heap);
  LookAtClock(/*mine=*/nullptr);
}

// False if so many are parked that one more is too many.
bool CentralHeap::Park(ThreadHeap* heap) {
  const LockHolder holder(lock_);
  if (parked_count_ == kMaxParked) return false;
  heap->in_use_ = false;
  heap->is_idle_ = false;
  ++parked_count_;
  heap->next_free_ = parked_heaps_;
  parked_heaps_ = heap;
  return true;
}

// Gives up all blocks of a heap that is in no list, and makes it idle.
void CentralHeap::EmptyThreadHeap(ThreadHeap* heap) {
  heap->Flush();
  // Nobody else touches the heap's bins: their cells are walked before others
  // have to wait for the lock.
  for (BlockHeader* block : heap->current_) {
    if (block != nullptr) heap->EmptyBin(block);
  }
  uintptr_t late;
  {
    const LockHolder holder(lock_);
    for (unsigned c = 0; c < kNumSizeClasses; ++c) {
      BlockHeader* block = heap->current_[c];
      if (block != nullptr) {
        heap->current_[c] = nullptr;
        GiveUpBlock(block);
      }
      while ((block = heap->partial_[c].PopFront()) != nullptr) {
        GiveUpBlock(block);
      }
      while ((block = heap->waiting_[c].PopFront()) != nullptr) {
        GiveUpBlock(block);
      }
    }
    // Closed after the blocks are given up, and with release, so that a
    // sender that finds it closed sees them without this owner.
    late = heap->inbox_.exchange(kInboxClosed, std::memory_order_acq_rel);
    heap->in_use_ = false;
    heap->next_free_ = idle_heaps_;
    idle_heaps_ = heap;
  }
  while (late != 0) {
    Batch* batch = Batch::At(late);
    late = batch->CheckedNext();
    FreeBatchOf(BlockOf(batch->Address()), batch);
  }
}

bool CentralHeap::EmptyParkedHeaps() {
  for (bool any = false;; any = true) {
    ThreadHeap* heap;
    {
      const LockHolder holder(lock_);
      heap = TakeParkedHeap();
    }
    if (heap == nullptr) return any;
    EmptyThreadHeap(heap);
  }
}

// At a tick: empties heaps that have been parked since the one before.
void CentralHeap::EmptyIdleHeaps() {
  for (;;) {
    ThreadHeap* idle = nullptr;
    {
      const LockHolder holder(lock_);
      ThreadHeap** link = &parked_heaps_;
      while (*link != nullptr && !(*link)->is_idle_) {
        link = &(*link)->next_free_;
      }
      if (*link != nullptr) idle = Unpark(link);
    }
    if (idle == nullptr) break;
    EmptyThreadHeap(idle);
  }
  const LockHolder holder(lock_);
  for (ThreadHeap* heap = parked_heaps_; heap != nullptr;
       heap = heap->next_free_) {
    heap->is_idle_ = true;
  }
}

// A batch that another thread has out is waited for: the child would miss it.
// The running thread's own (it was interrupted by a signal, whose handler
// forks) stays out, in the child too, where that thread goes on with it.
void CentralHeap::PrepareFork() {
  g_sampling_lock.Acquire();
  const bool in_purge = !purge_lock_.AcquireUnlessHeld();
  lock_.Acquire();
  if (!HoldsAllForFork()) fork_in_purge_ = in_purge;
  ++t_forks_under_way;
}

void CentralHeap::AfterForkInParent() {
  --t_forks_under_way;
  const bool in_purge = fork_in_purge_;
  lock_.Release();
  if (!in_purge) purge_lock_.Release();
  g_sampling_lock.Release();
}

void CentralHeap::AfterForkInChild(ThreadHeap* survivor, bool had_threads) {
  const unsigned outer_forks = t_forks_under_way - 1;
  t_forks_under_way = 0;
  g_sampling_lock.ReinitialiseInChild();
  lock_.ReinitialiseInChild();
  purge_lock_.ReinitialiseInChild();
  if (outer_forks > 0) g_sampling_lock.Acquire();
  if (outer_forks > 0 || fork_in_purge_) purge_lock_.Acquire();
  if (outer_forks > 0) lock_.Acquire();
  // Whoever was looking for idle granules is not here any more.
  if (!fork_in_purge_) purge_cursor_ = nullptr;
  t_forks_under_way = outer_forks;
  bool others = false;
  for (ThreadHeap* heap = heaps_; heap != nullptr; heap = heap->next_) {
    if (!heap->in_use_ || heap == survivor) continue;
    others = true;
    heap->in_use_ = false;
    heap->inbox_.store(kInboxDropped, std::memory_order_relaxed);
  }
  if (!others && !had_threads) return;
  pending_granules_ = 0;
  // What others had sent may be torn in the copy: cells and inbox were copied
  // at different moments. Threads without a heap send too.
  for (ThreadHeap* heap = heaps_; heap != nullptr; heap = heap->next_) {
    if (heap->inbox_.load(std::memory_order_relaxed) > kInboxDropped) {
      heap->inbox_.store(kInboxEmpty, std::memory_order_relaxed);
    }
  }
  if (others) WriteOffOrphans();
}

}  // namespace memalloc
