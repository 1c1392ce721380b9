// Large blocks: one allocation of whole granules, grown and shrunk in place
// where the neighbours allow it.

#include <string.h>

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/guarded_block.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

void DescribeLarge(BlockHeader* block, size_t granules) {
  SetBlockBounds(block, granules);
  block->status = BlockStatus::kLarge;
  block->place = BlockPlace::kCurrent;
  block->cell_size = static_cast<uint32_t>(granules * kGranuleSize);
  if constexpr (kIsHardened) block->asked = 0;
}

}  // namespace

size_t GranulesFor(size_t size) {
  return Max<size_t>(1, RoundUp(size, kGranuleSize) / kGranuleSize);
}

void* CentralHeap::AllocateLarge(size_t size, size_t alignment, bool zero) {
  Shortage shortage;
  for (;;) {
    void* block = TryAllocateLarge(size, alignment, zero, &shortage);
    if (block != nullptr || !MakeRoom(&shortage)) return block;
  }
}

void* CentralHeap::TryAllocateLarge(size_t size, size_t alignment, bool zero,
                                    Shortage* shortage) {
  const size_t granules = GranulesFor(size);
  BlockHeader* block;
  GranuleBits before;  // what was dirty before the block was taken
  {
    const LockHolder holder(lock_);
    block = TakeRun(granules, alignment, shortage);
    if (block == nullptr) return nullptr;
    DescribeLarge(block, granules);
    ++large_handed_out_;
    ArenaHeader* arena = ArenaHeaderOf(block);
    before = arena->dirty;
    arena->dirty.Set(GranuleOf(block), granules);
  }
  const uintptr_t start = BlockStart(block);
  if (zero) {
    const size_t first = GranuleOf(block);
    for (size_t i = 0; i < granules; ++i) {
      if (!before.Has(first + i)) continue;
      memset(reinterpret_cast<void*>(start + i * kGranuleSize), 0,
             kGranuleSize);
    }
  }
  return reinterpret_cast<void*>(start);
}

void CentralHeap::FreeLarge(BlockHeader* block) {
  if constexpr (kIsHardened) {
    if (!GuardedBlock(block, BlockStart(block)).LiftGuard()) {
      block->place = BlockPlace::kKept;  // for ever
      return;
    }
  }
  const size_t granules = block->granules;
  const bool purged = PurgesAtOnce() && PurgeBlock(block, granules);
  const LockHolder holder(lock_);
  if (purged) CountPurge(block, granules);
  GiveRun(block, granules);
}

bool CentralHeap::ResizeLarge(BlockHeader* block, size_t size) {
  const size_t granules = GranulesFor(size);
  const size_t old = block->granules;
  const bool purged = granules < old && PurgesAtOnce() &&
                      PurgeBlock(block + granules, old - granules);
  const LockHolder holder(lock_);
  if (granules < old) {
    if (purged) CountPurge(block + granules, old - granules);
    DescribeLarge(block, granules);
    used_granules_ -= old - granules;
    runs_.Give(block + granules, old - granules);
  } else if (granules > old) {
    const size_t more = granules - old;
    if (!TakeBehind(block, more)) return false;
    ArenaHeaderOf(block)->dirty.Set(GranuleOf(block) + old, more);
    DescribeLarge(block, granules);
    used_granules_ += more;
    peak_granules_ = Max(peak_granules_, used_granules_);
  }
  return true;
}

// Takes the `more` granules behind the block out of the free ones; at the top
// of the break, grows the heap for them.
bool CentralHeap::TakeBehind(BlockHeader* block, size_t more) {
  ArenaHeader* arena = ArenaHeaderOf(block);
  const size_t end = GranuleOf(block) + block->granules;
  if (end + more > kGranulesPerArena) return false;
  BlockHeader* behind = arena->Header(end);
  if (end < arena->limit && runs_.TakeAt(behind, more)) {
    return AdmitRun(behind, more);
  }
  const bool is_last =
      end == arena->limit || (behind->status == BlockStatus::kFree &&
                              end + behind->granules == arena->limit);
  Shortage shortage;
  grows_densely_ = false;
  return is_last && arena == break_arena_ && MayGrow(more, &shortage) &&
         os::CurrentBreak() == arena->End() && GrowBreak(more, 0) &&
         end < arena->limit && runs_.TakeAt(behind, more) &&
         AdmitRun(behind, more);
}

}  // namespace memalloc
