// The sampling point: which allocations are samples, and how a sample is known
// again when it is freed. Layer: heap.
//
// Each byte that is allocated is drawn with the chance 1 / sample_interval, and
// an allocation with a drawn byte is a sample. So that this costs nothing where
// malloc is fast, it is decided when a bin is filled: the bin's list is cut
// behind the first sample, and the rest stays in the block. The last cell of a
// list always takes the slow path, which finds the mark in `due_samples_` of
// the thread heap. Every cell passes one refill for each time that it is handed
// out, and waiting times are exponential, which have no memory: each allocation
// of s bytes is a sample with probability 1 - exp(-s / interval), whatever
// happens to others. What has no bin is counted one by one.
//
// A sample must be seen by free, and no other allocation may pay for that. Its
// block's owner is SampleOwner(), which is no thread's heap, so the fast path
// of free fails as for any block of another thread, and the slow path asks
// IsSampled. A sampled cell therefore does not come from the thread's block but
// from one of g_sampled_cells, which hold nothing else; of a large or huge
// block, the header's owner has no other use.
//
// A block that is resized in place is sampled with the chance of its new size.
//
// g_sampling_lock guards the sampled cells and whatever those who fill
// SampleHooks keep about samples. It is acquired before the lock of purging,
// and a thread that forks holds it.

#ifndef MEMALLOC_HEAP_SAMPLING_H_
#define MEMALLOC_HEAP_SAMPLING_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/counter.h"
#include "memalloc/base/lock.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/block_list.h"
#include "memalloc/heap/guard_point.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {

extern MEMALLOC_HIDDEN Lock g_sampling_lock;

// ---- whom it concerns ----

// Called by the thread that allocates or frees, without a lock held; errno is
// kept for them. What they allocate is never a sample.
struct SampleHooks {
  // Sampling may begin, or may have begun.
  void (*prepare)();
  // `start` is a sample of `size` bytes (all that may be used of it), drawn
  // with `interval`.
  void (*taken)(uintptr_t start, size_t size, uint64_t interval);
  // It is one no longer: it is about to be freed, or was resized.
  void (*freed)(uintptr_t start);
  // It has another key from now on: something unlike all addresses of samples,
  // while it may move, or again where it starts.
  void (*renamed)(uintptr_t from, uintptr_t to);
};

// Defined by the observe layer.
extern MEMALLOC_HIDDEN const SampleHooks kProfileHooks;
extern MEMALLOC_HIDDEN std::atomic<const SampleHooks*> g_sample_hooks;

// If sampling or guarding is on, prepares them for it. Called outside of
// malloc: they may allocate.
void PrepareToSample();

// ---- which allocations are samples ----

inline bool SamplingIsOn() { return GetOption(Option::kSampleInterval) != 0; }

// The chance that an allocation of `size` bytes is a sample: each that is
// stands for 1 / chance allocations.
double SampleChance(size_t size, uint64_t interval);

// One for each thread.
class SamplingPoint {
 public:
  constexpr SamplingPoint() = default;

  // Counts `count` allocations of `size` bytes each: the number of the first
  // that is a sample, from 1; those behind it are not counted. 0 if none is.
  size_t Count(size_t count, size_t size);

  // Whether something happens that has this chance.
  bool Happens(double chance);

  // Draws anew: a forked child is not to repeat what its parent does.
  void Restart() { *this = SamplingPoint(); }

  // Of which the countdown was drawn.
  uint64_t interval() const { return interval_; }

 private:
  double NextUniform();
  void Draw();

  uint64_t interval_ = 0;
  uint64_t bytes_left_ = 0;  // up to the byte that is drawn, that one included
  uint64_t random_ = 0;
};

extern MEMALLOC_HIDDEN MEMALLOC_TLS SamplingPoint t_sampling_point;

// ---- samples ----

// A sample for a request of the class, which was counted; null if it is to be
// served as any other.
MEMALLOC_SLOW void* TakeSampledCell(SizeClass size_class);

// Counts a request for `size` bytes of the class: the sample, or the guarded
// allocation, if it is one.
MEMALLOC_SLOW void* CountCellSlow(SizeClass size_class, size_t size);
inline void* CountCell(SizeClass size_class, size_t size) {
  if (MEMALLOC_LIKELY(!SamplingIsOn() && !GuardingIsOn())) return nullptr;
  return CountCellSlow(size_class, size);
}

// Counts a large or huge block that was allocated, or has grown by the last
// `bytes`: it may be a sample now.
MEMALLOC_SLOW void CountWhole(uintptr_t start, BlockHeader* block,
                              size_t bytes);

// A large or huge block that was a sample, and was resized from `old_size`
// bytes: it is one again, or perhaps not if it shrank.
void KeepSampled(uintptr_t start, BlockHeader* block, size_t old_size);

// Tells that the sample has another key.
void RenameSample(uintptr_t from, uintptr_t to);

// Ends the sample: a large or huge block is as any other then, a cell is freed.
MEMALLOC_SLOW void EndSample(uintptr_t start, BlockHeader* block);

// Whether the block is one of sampled cells, or a sample. Looks at no header
// before there was any sample.
extern MEMALLOC_HIDDEN std::atomic<bool> g_has_samples;
ThreadHeap* SampleOwner();
inline bool IsSampled(const BlockHeader* block) {
  return MEMALLOC_UNLIKELY(g_has_samples.load(std::memory_order_relaxed)) &&
         block->owner.load(std::memory_order_relaxed) == SampleOwner();
}

// The blocks of sampled cells.
class SampledCells {
 public:
  constexpr SampledCells() = default;

  // Null when memory is short.
  FreeCell* Allocate(SizeClass size_class) MEMALLOC_EXCLUDES(g_sampling_lock);
  // Cells of the class so far.
  uint64_t CountOf(SizeClass size_class) const {
    return handed_out_[size_class].Get();
  }
  void Free(BlockHeader* block, FreeCell* cell)
      MEMALLOC_EXCLUDES(g_sampling_lock);

 private:
  FreeCell* TryAllocate(SizeClass size_class)
      MEMALLOC_EXCLUDES(g_sampling_lock);

  // Those with cells to hand out.
  BlockList partial_[kNumSizeClasses] MEMALLOC_GUARDED_BY(g_sampling_lock);
  Counter handed_out_[kNumSizeClasses];  // written under that lock
};

extern MEMALLOC_HIDDEN SampledCells g_sampled_cells;

// Only its address is used.
inline ThreadHeap* SampleOwner() {
  return reinterpret_cast<ThreadHeap*>(&g_sampled_cells);
}

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_SAMPLING_H_
