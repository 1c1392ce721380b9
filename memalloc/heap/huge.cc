// Huge blocks: one allocation with a mapping of its own, moved by mremap.
//
// A huge block belongs to the one who holds its pointer; only the list of huge
// blocks, the cache of freed ones and the counts need the lock. System calls
// are made outside of it.

#include <string.h>

#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/huge_mapping.h"

namespace memalloc {
namespace {

// The cache holds up to this, or a quarter of what huge blocks span.
constexpr size_t kMinCacheLimit = size_t{32} << 20;

}  // namespace

void* CentralHeap::AllocateHuge(size_t size, size_t alignment, bool zero) {
  if (size > kMaxHugeSize) return nullptr;
  ArenaHeader* arena = nullptr;
  if (alignment <= kGranuleSize) {
    const LockHolder holder(lock_);
    arena = huge_cache_.Take(size);
  }
  if (arena != nullptr) {
    const size_t dirty = Min(size, arena->huge.bytes);
    if (arena->huge.bytes < size) {
      ArenaHeader* grown = ResizeHugeMapping(arena, size);
      if (grown == nullptr) CacheOrDrop(arena, HugeCacheLimit());
      arena = grown;
    }
    if (arena != nullptr && zero) {
      memset(reinterpret_cast<void*>(arena->huge.start), 0, dirty);
    }
  }
  if (arena == nullptr) arena = MakeHugeMapping(size, alignment);
  if (arena == nullptr && GivingBackMayDo(size) && GiveBack()) {
    arena = MakeHugeMapping(size, alignment);
  }
  if (arena == nullptr) return nullptr;
  HugeBlockOf(arena)->status = BlockStatus::kHuge;
  const LockHolder holder(lock_);
  Enlist(arena);
  return reinterpret_cast<void*>(arena->huge.start);
}

// Whether there may be room for `size` bytes once all is given back that can
// be: what that cannot yield must be there already. Otherwise a request that is
// refused anyway would cost the heap all that it keeps.
bool CentralHeap::GivingBackMayDo(size_t size) {
  size_t most;
  {
    const LockHolder holder(lock_);
    most = backed_granules_ * kGranuleSize + huge_cache_.bytes();
  }
  if (size <= most) return true;
  ArenaHeader* rest = MakeHugeMapping(size - most, kGranuleSize);
  if (rest == nullptr) return false;
  DropHugeMapping(rest);
  return true;
}

size_t CentralHeap::HugeCacheLimit() {
  const LockHolder holder(lock_);
  return Max(kMinCacheLimit, huge_granules_ * kGranuleSize / 4);
}

void CentralHeap::FreeHuge(BlockHeader* block) {
  ArenaHeader* arena = ArenaHeaderOf(block);
  block->status = BlockStatus::kFree;
  const size_t limit = HugeCacheLimit();
  {
    const LockHolder holder(lock_);
    Delist(arena);
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
                huge_cache_.Put(arena, limit);
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
  ArenaHeader* arena = ArenaHeaderOf(block);
  {
    const LockHolder holder(lock_);
    Delist(arena);
  }
  ArenaHeader* resized = ResizeHugeMapping(arena, size);
  if (resized != nullptr) {
    arena = resized;
    HugeBlockOf(arena)->status = BlockStatus::kHuge;
  }
  const LockHolder holder(lock_);
  Enlist(arena);
  return resized == nullptr ? nullptr
                            : reinterpret_cast<void*>(arena->huge.start);
}

void CentralHeap::Enlist(ArenaHeader* arena) {
  const size_t granules = HugeMappingGranules(arena);
  CountBlock(granules);
  huge_granules_ += granules;
  arena->prev = nullptr;
  arena->next = huge_;
  if (huge_ != nullptr) huge_->prev = arena;
  huge_ = arena;
}

void CentralHeap::Delist(ArenaHeader* arena) {
  const size_t granules = HugeMappingGranules(arena);
  UncountBlock(granules);
  huge_granules_ -= granules;
  if (arena->prev != nullptr) {
    arena->prev->next = arena->next;
  } else {
    huge_ = arena->next;
  }
  if (arena->next != nullptr) arena->next->prev = arena->prev;
}

}  // namespace memalloc
