// Mappings of freed huge blocks, kept for the next ones. Layer: heap.
//
// Making a mapping is cheap; having the kernel clear its pages one fault at a
// time is not. A cached mapping keeps its pages, and serves a smaller request
// with pages to spare, a larger one by growing. Guarded by the central lock.

#ifndef MEMALLOC_HEAP_HUGE_CACHE_H_
#define MEMALLOC_HEAP_HUGE_CACHE_H_

#include <stddef.h>

#include "memalloc/base/attributes.h"
#include "memalloc/layout/arena.h"

namespace memalloc {

class HugeCache {
 public:
  // A block may have a mapping of up to this many times its size, lest growing
  // and cutting cost more page faults than the cache saves.
  static constexpr size_t kMaxSpare = 4;

  constexpr HugeCache() = default;

  // Takes out the mapping that suits a block of `size` bytes best: the
  // smallest that is large enough but not more than kMaxSpare times that, else
  // the largest that is too small, to be grown, else the smallest of the too
  // large ones, to be cut. Null if there is none.
  ArenaHeader* Take(size_t size) {
    size_t best = kEntries;
    for (size_t i = 0; i < count_; ++i) {
      if (best == kEntries || IsBetter(entries_[i]->huge.mapped,
                                       entries_[best]->huge.mapped, size)) {
        best = i;
      }
    }
    return best == kEntries ? nullptr : Remove(best);
  }

  // Adds a mapping as the newest, if its size is within `limit` bytes. `now` in
  // milliseconds, here and below.
  bool Put(ArenaHeader* arena, size_t limit, uint64_t now) {
    if (arena->huge.mapped > limit || count_ == kEntries) return false;
    arena->huge.bytes = 0;
    arena->huge.since = now;
    entries_[count_++] = arena;
    bytes_ += arena->huge.mapped;
    return true;
  }

  // Takes out the oldest mapping if there is more than `limit` bytes, or no
  // room for another one; null otherwise.
  ArenaHeader* TakeExcess(size_t limit) {
    const bool is_excess = bytes_ > limit || count_ == kEntries;
    return is_excess && count_ > 0 ? Remove(0) : nullptr;
  }

  // Takes out the oldest mapping if it has been here since `delay` before
  // `now`; null otherwise.
  ArenaHeader* TakeIdle(uint64_t now, uint64_t delay) {
    const bool is_idle = count_ > 0 && now >= entries_[0]->huge.since + delay;
    return is_idle ? Remove(0) : nullptr;
  }

  // Whether the address lies in one of the mappings.
  bool Has(uintptr_t address) const {
    for (size_t i = 0; i < count_; ++i) {
      if (entries_[i]->HasHuge(address)) return true;
    }
    return false;
  }

  // Calls `visit` for each mapping.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (size_t i = 0; i < count_; ++i) visit(entries_[i]);
  }

  size_t bytes() const { return bytes_; }

 private:
  friend struct DebugLayout;

  static constexpr size_t kEntries = 16;

  // 2 for a mapping that serves `size` bytes as it is, 1 for one that must be
  // grown, 0 for one that must be cut.
  static int RankOf(size_t mapped, size_t size) {
    if (mapped < size) return 1;
    return mapped / kMaxSpare <= size ? 2 : 0;
  }

  static bool IsBetter(size_t mapped, size_t than, size_t size) {
    const int rank = RankOf(mapped, size);
    const int other = RankOf(than, size);
    if (rank != other) return rank > other;
    return rank == 1 ? mapped > than : mapped < than;
  }

  ArenaHeader* Remove(size_t i) {
    ArenaHeader* arena = entries_[i];
    bytes_ -= arena->huge.mapped;
    --count_;
    for (; i < count_; ++i) entries_[i] = entries_[i + 1];
    return arena;
  }

  ArenaHeader* entries_[kEntries] = {};  // oldest first
  size_t count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_HUGE_CACHE_H_
