// The register of thread heaps: who has one, which wait for a thread.
//
// The heap of a thread that ends is parked as it stands, blocks, bins and all,
// and the next new thread goes on with it: starting and ending a thread then
// costs a lock each. Few are parked, and before the heap grows they are emptied
// into the orphan lists one by one, so that what dead threads left is used
// first.

#include <new>

#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/arena.h"

namespace memalloc {
namespace {

constexpr uint32_t kMaxParked = 8;

}  // namespace

ThreadHeap* CentralHeap::TakeParkedHeap() {
  ThreadHeap* heap = parked_heaps_;
  // In a child whose handler has yet to run their inboxes may be torn.
  if (heap == nullptr || HoldsAllForFork()) return nullptr;
  parked_heaps_ = heap->next_free_;
  --parked_count_;
  heap->in_use_ = true;
  return heap;
}

ThreadHeap* CentralHeap::AcquireThreadHeap() {
  Shortage shortage;
  for (;;) {
    ThreadHeap* heap = TryAcquireThreadHeap(&shortage);
    if (heap != nullptr || !MakeRoom(&shortage)) return heap;
  }
}

ThreadHeap* CentralHeap::TryAcquireThreadHeap(Shortage* shortage) {
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
      ArenaHeaderOf(run)->SetDirty(GranuleOf(run), 1);
      metadata_ = BlockStart(run);
      metadata_end_ = metadata_ + kGranuleSize;
    }
    heap = new (reinterpret_cast<void*>(metadata_)) ThreadHeap(kInboxEmpty);
    metadata_ += sizeof(ThreadHeap);
    heap->next_ = heaps_;
    heaps_ = heap;
  }
  heap->in_use_ = true;
  return heap;
}

void CentralHeap::ReturnThreadHeap(ThreadHeap* heap) {
  heap->Flush();
  {
    const LockHolder holder(lock_);
    if (parked_count_ < kMaxParked) {
      heap->in_use_ = false;
      ++parked_count_;
      heap->next_free_ = parked_heaps_;
      parked_heaps_ = heap;
      return;
    }
  }
  EmptyThreadHeap(heap);
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

void CentralHeap::AfterForkInChild(ThreadHeap* survivor, bool had_threads) {
  const unsigned outer_forks = t_forks_under_way - 1;
  t_forks_under_way = 0;
  lock_.ReinitialiseInChild();
  if (outer_forks > 0) lock_.Acquire();
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
