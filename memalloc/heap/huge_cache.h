// Mappings of freed huge blocks, kept for the next ones. Layer: heap.
//
// Making a mapping is cheap; having the kernel clear its pages one fault at a
// time is not. A cached mapping keeps its pages, and serves a request of
// another size by growing or shrinking to it. Guarded by the central lock.

#ifndef MEMALLOC_HEAP_HUGE_CACHE_H_
#define MEMALLOC_HEAP_HUGE_CACHE_H_

#include <stddef.h>

#include "memalloc/base/attributes.h"
#include "memalloc/layout/arena.h"

namespace memalloc {

class HugeCache {
 public:
  constexpr HugeCache() = default;

  // Takes out the mapping that suits a block of `size` bytes best: the
  // smallest that is large enough but not by more than a quarter, else the
  // largest that is too small, to be grown. Null if there is none.
  ArenaHeader* Take(size_t size) {
    size_t best = kEntries;
    for (size_t i = 0; i < count_; ++i) {
      const size_t bytes = entries_[i]->huge.bytes;
      if (bytes > size + size / 4) continue;
      if (best == kEntries || IsBetter(bytes, BytesOf(best), size)) best = i;
    }
    return best == kEntries ? nullptr : Remove(best);
  }

  // Adds a mapping as the newest, if its size is within `limit` bytes.
  bool Put(ArenaHeader* arena, size_t limit) {
    if (arena->huge.bytes > limit || count_ == kEntries) return false;
    entries_[count_++] = arena;
    bytes_ += arena->huge.bytes;
    return true;
  }

  // Takes out the oldest mapping if there is more than `limit` bytes, or no
  // room for another one; null otherwise.
  ArenaHeader* TakeExcess(size_t limit) {
    const bool is_excess = bytes_ > limit || count_ == kEntries;
    return is_excess && count_ > 0 ? Remove(0) : nullptr;
  }

  // Whether the address lies in one of the mappings.
  bool Has(uintptr_t address) const {
    for (size_t i = 0; i < count_; ++i) {
      if (entries_[i]->HasHuge(address)) return true;
    }
    return false;
  }

  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kEntries = 16;

  static bool IsBetter(size_t bytes, size_t than, size_t size) {
    if ((bytes >= size) != (than >= size)) return bytes >= size;
    return bytes >= size ? bytes < than : bytes > than;
  }

  size_t BytesOf(size_t i) const { return entries_[i]->huge.bytes; }

  ArenaHeader* Remove(size_t i) {
    ArenaHeader* arena = entries_[i];
    bytes_ -= arena->huge.bytes;
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
