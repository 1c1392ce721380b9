// Huge blocks: one allocation with a mapping of its own, moved by mremap.
//
// A huge block belongs to the one who holds its pointer; only the list of huge
// blocks, the cache of freed ones and the counts need the lock. System calls
// are made outside of it.

#include <string.h>

#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/huge_mapping.h"
#include "memalloc/heap/huge_pages.h"
#include "memalloc/os/os.h"

namespace memalloc {

void* CentralHeap::AllocateHuge(size_t size, size_t alignment, bool zero) {
  if (size > kMaxHugeSize || alignment > kMaxHugeSize) return nullptr;
  ArenaHeader* arena = nullptr;
  size_t pending = 0;
  if (alignment <= kGranuleSize) {
    const LockHolder holder(lock_);
    arena = huge_cache_.Take(size);
    if (arena != nullptr) pending = HugeMappingGranules(arena);
    pending_granules_ += pending;
  }
  const size_t wanted = HugeGranulesFor(size, alignment);
  const bool is_admitted = wanted <= pending || AdmitHuge(wanted - pending);
  if (is_admitted) {
    pending = Max(pending, wanted);
    arena = FitHuge(arena, size, alignment, zero);
  } else if (arena != nullptr) {
    CacheOrDrop(arena, SIZE_MAX);
    arena = nullptr;
  }
  const LockHolder holder(lock_);
  // A fork in between, by a handler of a signal, may have forgotten it.
  pending_granules_ -= Min<uint64_t>(pending_granules_, pending);
  if (arena == nullptr) return nullptr;
  HugeBlockOf(arena)->status = BlockStatus::kHuge;
  ++huge_handed_out_;
  Enlist(arena);
  return reinterpret_cast<void*>(arena->huge.start);
}

// The cached mapping, or without one (null) or without luck a new one, made fit
// for the block. Null when memory is short.
ArenaHeader* CentralHeap::FitHuge(ArenaHeader* arena, size_t size,
                                  size_t alignment, bool zero) {
  if (arena != nullptr) {
    const size_t dirty = Min(size, arena->huge.mapped);
    size_t may_spare;
    {
      const LockHolder holder(lock_);
      may_spare = HugeCacheLimit();
    }
    if (arena->huge.mapped / HugeCache::kMaxSpare > size ||
        arena->huge.mapped > size + may_spare) {
      CutHugeMapping(arena, RoundUp(size, os::PageSize()));
    }
    ArenaHeader* fitted = ResizeHugeMapping(arena, size);
    if (fitted == nullptr) CacheOrDrop(arena, SIZE_MAX);
    arena = fitted;
    if (arena != nullptr && size > dirty) AdviseHugeMapping(arena);
    if (arena != nullptr && zero) {
      memset(reinterpret_cast<void*>(arena->huge.start), 0, dirty);
    }
  }
  if (arena != nullptr) return arena;
  arena = MakeHugeMapping(size, alignment);
  if (arena == nullptr && GivingBackMayDo(size, alignment) && GiveBack()) {
    arena = MakeHugeMapping(size, alignment);
  }
  if (arena != nullptr) AdviseHugeMapping(arena);
  return arena;
}

// For a mapping that is new, or has grown.
void CentralHeap::AdviseHugeMapping(ArenaHeader* arena) {
  const uintptr_t end = arena->huge.start + arena->huge.mapped;
  AdviseNewMemory(arena->Start(), end - arena->Start(), /*trial=*/nullptr);
}

// Whether there may be room for `size` bytes, and as many as the alignment may
// cost, once all is given back that can be: what that cannot yield must be
// there already. Otherwise a request that is refused anyway would cost the heap
// all that it keeps.
bool CentralHeap::GivingBackMayDo(size_t size, size_t alignment) {
  size_t most;
  {
    const LockHolder holder(lock_);
    most = backed_granules_ * kGranuleSize + huge_cache_.bytes() + huge_spare_;
  }
  const size_t wanted = size + alignment;
  if (wanted <= most) return true;
  ArenaHeader* rest = MakeHugeMapping(wanted - most, kGranuleSize);
  if (rest == nullptr) return false;
  DropHugeMapping(rest);
  return true;
}

// Bytes that the cache may hold: what freed huge blocks leave, in the cache or
// to spare behind other blocks, is up to what an option says, or twice what is
// in use, as long as both together are no more than five quarters of the most
// that was in use of late.
size_t CentralHeap::HugeCacheLimit() {
  const size_t least = GetOption(Option::kHugeCache);
  if (least == 0) return 0;
  const size_t used = UsedHugeBytes();
  const size_t most = Max<size_t>(used, huge_peak_ + huge_peak_ / 4);
  const size_t kept = Min(2 * used, most - used);
  const size_t limit = Max<size_t>(least, kept);
  return limit - Min(limit, huge_spare_);
}

void CentralHeap::FreeHuge(BlockHeader* block) {
  ArenaHeader* arena = ArenaHeaderOf(block);
  block->status = BlockStatus::kFree;
  size_t limit;
  {
    const LockHolder holder(lock_);
    Delist(arena);
    ++huge_freed_;
    limit = PurgesAtOnce() ? 0 : HugeCacheLimit();
  }
  CacheOrDrop(arena, limit);
}

// Keeps a mapping without a block for the next one, if the cache has room
// within `limit` bytes.
void CentralHeap::CacheOrDrop(ArenaHeader* arena, size_t limit) {
  bool is_cached;
  {
    const LockHolder holder(lock_);
    // Only blocks in the usual place: they can be resized.
    is_cached = arena->huge.start - arena->Start() == kGranuleSize &&
                huge_cache_.Put(arena, limit, os::NowMilliseconds());
  }
  if (!is_cached) DropHugeMapping(arena);
  TrimHugeCache(limit);
}

// Gives mappings back until the cache keeps to `limit` bytes. Whether any was.
bool CentralHeap::TrimHugeCache(size_t limit) {
  for (bool any = false;; any = true) {
    ArenaHeader* arena;
    {
      const LockHolder holder(lock_);
      arena = huge_cache_.TakeExcess(limit);
    }
    if (arena == nullptr) return any;
    DropHugeMapping(arena);
  }
}

void* CentralHeap::ResizeHuge(BlockHeader* block, size_t size) {
  if (size > kMaxHugeSize) return nullptr;
  ArenaHeader* arena = ArenaHeaderOf(block);
  size_t pending;
  {
    const LockHolder holder(lock_);
    Delist(arena);
    pending = HugeMappingGranules(arena);
    pending_granules_ += pending;
  }
  // The table stays in front, or takes the place of more.
  const size_t wanted = HugeGranulesFor(size, kGranuleSize);
  const bool is_admitted = wanted <= pending || AdmitHuge(wanted - pending);
  if (is_admitted) pending = Max(pending, wanted);
  ArenaHeader* resized = is_admitted ? ResizeHugeMapping(arena, size) : nullptr;
  if (resized != nullptr) {
    arena = resized;
    HugeBlockOf(arena)->status = BlockStatus::kHuge;
  }
  const LockHolder holder(lock_);
  // A fork in between, by a handler of a signal, may have forgotten it.
  pending_granules_ -= Min<uint64_t>(pending_granules_, pending);
  Enlist(arena);
  return resized == nullptr ? nullptr
                            : reinterpret_cast<void*>(arena->huge.start);
}

// Gives back what listed blocks have to spare; whether any had. A block is not
// listed while its owner changes it.
bool CentralHeap::CutHugeBlocks() {
  bool any = false;
  for (ArenaHeader* arena = huge_; arena != nullptr; arena = arena->next) {
    any |= CutHugeBlock(arena);
  }
  return any;
}

bool CentralHeap::CutHugeBlock(ArenaHeader* arena) {
  const size_t spare = arena->huge.mapped - arena->huge.bytes;
  if (spare == 0) return false;
  const size_t before = HugeMappingGranules(arena);
  CutHugeMapping(arena, arena->huge.bytes);
  const size_t cut = before - HugeMappingGranules(arena);
  huge_granules_ -= cut;
  used_granules_ -= cut;
  huge_spare_ -= spare;
  return true;
}

// Gives back cached mappings and spare pages that nobody wanted since `delay`
// milliseconds before `now`.
void CentralHeap::GiveBackIdleHuge(uint64_t now, uint64_t delay) {
  for (;;) {
    ArenaHeader* cached;
    {
      const LockHolder holder(lock_);
      cached = huge_cache_.TakeIdle(now, delay);
    }
    if (cached == nullptr) break;
    DropHugeMapping(cached);
  }
  {
    // What was in use once counts less and less.
    const LockHolder holder(lock_);
    const size_t used = UsedHugeBytes();
    if (huge_peak_ > used) huge_peak_ -= (huge_peak_ - used) / 4;
  }
  // One block each time that the lock is held: the kernel needs a while.
  bool more = true;
  while (more) {
    more = false;
    const LockHolder holder(lock_);
    if (huge_spare_ == 0) return;
    for (ArenaHeader* arena = huge_; arena != nullptr && !more;
         arena = arena->next) {
      more = now >= arena->huge.since + delay && CutHugeBlock(arena);
    }
  }
}

void CentralHeap::Enlist(ArenaHeader* arena) {
  const size_t granules = HugeMappingGranules(arena);
  CountBlock(granules);
  huge_granules_ += granules;
  huge_spare_ += arena->huge.mapped - arena->huge.bytes;
  huge_peak_ = Max(huge_peak_, UsedHugeBytes());
  arena->huge.since = os::NowMilliseconds();
  arena->prev = nullptr;
  arena->next = huge_;
  if (huge_ != nullptr) huge_->prev = arena;
  huge_ = arena;
}

void CentralHeap::Delist(ArenaHeader* arena) {
  const size_t granules = HugeMappingGranules(arena);
  UncountBlock(granules);
  huge_granules_ -= granules;
  huge_spare_ -= arena->huge.mapped - arena->huge.bytes;
  if (arena->prev != nullptr) {
    arena->prev->next = arena->next;
  } else {
    huge_ = arena->next;
  }
  if (arena->next != nullptr) arena->next->prev = arena->prev;
}

}  // namespace memalloc
