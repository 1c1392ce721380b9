// Small blocks, their runs, and the register of thread heaps.

#include "memalloc/heap/central_heap.h"

#include <new>

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/thread_heap.h"

namespace memalloc {

CentralHeap g_central_heap;

// ---- runs and counts ----

BlockHeader* CentralHeap::TakeRun(size_t granules, size_t alignment) {
  BlockHeader* run = runs_.Take(granules, alignment);
  if (run == nullptr) {
    // Room to shift the block to its alignment, less the granule that the
    // growth is aligned to anyway.
    const size_t shift = Max(alignment, kGranuleSize) / kGranuleSize - 1;
    if (!Grow(granules + shift)) return nullptr;
    run = runs_.Take(granules, alignment);
    if (run == nullptr) return nullptr;
  }
  CountBlock(granules);
  return run;
}

void CentralHeap::GiveRun(BlockHeader* first, size_t granules) {
  UncountBlock(granules);
  runs_.Give(first, granules);
}

void CentralHeap::CountBlock(size_t granules) {
  ++block_count_;
  used_granules_ += granules;
  peak_granules_ = Max(peak_granules_, used_granules_);
}

void CentralHeap::UncountBlock(size_t granules) {
  --block_count_;
  used_granules_ -= granules;
}

// ---- small blocks ----

BlockHeader* CentralHeap::AllocateSmallBlock(SizeClass size_class,
                                             ThreadHeap* owner) {
  const LockHolder holder(lock_);
  BlockHeader* block = ClaimOrphan(size_class, owner);
  return block != nullptr ? block : MakeSmallBlock(size_class, owner);
}

BlockHeader* CentralHeap::MakeSmallBlock(SizeClass size_class,
                                         ThreadHeap* owner) {
  const size_t cell_size = CellSize(size_class);
  const size_t granules = GranulesPerBlock(cell_size);
  BlockHeader* block = TakeRun(granules, kGranuleSize);
  if (block == nullptr) return nullptr;
  for (size_t i = 1; i < granules; ++i) {
    block[i].status = BlockStatus::kInside;
    block[i].offset = static_cast<uint16_t>(i);
  }
  block->status = BlockStatus::kSmall;
  block->size_class = size_class;
  block->place = BlockPlace::kCurrent;
  block->is_orphan = false;
  block->cell_size = static_cast<uint32_t>(cell_size);
  block->capacity = static_cast<uint16_t>(granules * kGranuleSize / cell_size);
  block->carved = 0;
  block->free_list = 0;
  block->countdown = block->free_base = 0;
  // Nobody else knows the block yet: its first cell is published by whatever
  // the program hands it over with.
  block->owner.store(owner, std::memory_order_relaxed);
  return block;
}

void CentralHeap::ReleaseSmallBlock(BlockHeader* block) {
  const LockHolder holder(lock_);
  FreeSmallBlock(block);
}

void CentralHeap::FreeSmallBlock(BlockHeader* block) {
  MEMALLOC_ASSERT(block->UsedCells() == 0);
  if (block->is_orphan) RemoveOrphan(block);
  const size_t granules = block->granules;
  const size_t touched = block->carved * size_t{block->cell_size};
  ArenaHeaderOf(block)->SetDirty(GranuleOf(block),
                                 RoundUp(touched, kGranuleSize) / kGranuleSize);
  for (size_t i = 1; i < granules; ++i) block[i].status = BlockStatus::kNone;
  block->owner.store(nullptr, std::memory_order_relaxed);
  GiveRun(block, granules);
}

// ---- thread heaps ----

ThreadHeap* CentralHeap::AcquireThreadHeap() {
  const LockHolder holder(lock_);
  ThreadHeap* heap = idle_heaps_;
  if (heap != nullptr) {
    idle_heaps_ = heap->next_idle_;
    // Opens the inbox; whoever still knows the heap from its former thread
    // may send to it again, and the new thread routes what comes.
    heap->inbox_.store(kInboxEmpty, std::memory_order_release);
  } else {
    if (metadata_end_ - metadata_ < sizeof(ThreadHeap)) {
      BlockHeader* run = TakeRun(1, kGranuleSize);
      if (run == nullptr) return nullptr;
      run->status = BlockStatus::kMetadata;
      ArenaHeaderOf(run)->SetDirty(GranuleOf(run), 1);
      metadata_ = BlockStart(run);
      metadata_end_ = metadata_ + kGranuleSize;
    }
    heap = new (reinterpret_cast<void*>(metadata_)) ThreadHeap(kInboxEmpty);
    metadata_ += sizeof(ThreadHeap);
    heap->key_ = g_link_key;
    heap->number_ = ++heaps_made_;
    heap->next_ = heaps_;
    heaps_ = heap;
  }
  heap->is_live_ = true;
  return heap;
}

void CentralHeap::RetireThreadHeap(ThreadHeap* heap) {
  heap->Flush();
  FreeCell* late;
  {
    const LockHolder holder(lock_);
    for (unsigned c = 0; c < kNumSizeClasses; ++c) {
      BlockHeader* block = heap->current_[c];
      if (block != nullptr) {
        heap->EmptyBin(block);
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
    late =
        CellAt(heap->inbox_.exchange(kInboxClosed, std::memory_order_acq_rel));
    heap->is_live_ = false;
    heap->next_idle_ = idle_heaps_;
    idle_heaps_ = heap;
  }
  while (late != nullptr) {
    FreeCell* next = CellAt(late->Next(g_link_key));
    FreeCellOf(BlockOf(AddressOf(late)), late);
    late = next;
  }
}

void CentralHeap::AfterForkInChild(ThreadHeap* survivor) {
  lock_.ReinitialiseInChild();
  bool others = false;
  for (ThreadHeap* heap = heaps_; heap != nullptr; heap = heap->next_) {
    if (heap == survivor) {
      // What others had sent may be torn in the copy: cells and inbox were
      // copied at different moments.
      heap->inbox_.store(kInboxEmpty, std::memory_order_relaxed);
    } else if (heap->is_live_) {
      others = true;
      heap->is_live_ = false;
      heap->inbox_.store(kInboxDropped, std::memory_order_relaxed);
    }
  }
  if (others) WriteOffOrphans();
}

// ---- counts ----

CentralCounts CentralHeap::Counts() {
  const LockHolder holder(lock_);
  CentralCounts counts = {};
  counts.arenas = arena_count_;
  counts.backed_bytes = backed_granules_ * kGranuleSize;
  counts.block_bytes = used_granules_ * kGranuleSize;
  counts.peak_block_bytes = peak_granules_ * kGranuleSize;
  counts.blocks = block_count_;
  for (ThreadHeap* heap = heaps_; heap != nullptr; heap = heap->next_) {
    if (heap->is_live_) ++counts.thread_heaps;
  }
  for (ArenaHeader* huge = huge_; huge != nullptr; huge = huge->next) {
    counts.live_bytes += huge->huge.bytes;
  }
  for (ArenaHeader* arena = arenas_; arena != nullptr; arena = arena->next) {
    size_t granule = 1;
    while (granule < arena->limit) {
      const BlockHeader* block = arena->Header(granule);
      if (block->status == BlockStatus::kSmall) {
        counts.live_bytes += uint64_t{block->UsedCells()} * block->cell_size;
      } else if (block->status == BlockStatus::kLarge) {
        counts.live_bytes += block->granules * kGranuleSize;
      }
      granule += Max<size_t>(1, block->granules);
    }
  }
  return counts;
}

}  // namespace memalloc
