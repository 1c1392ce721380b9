// Large blocks that a thread freed last, ready for its next malloc. Layer:
// heap.
//
// Without it every large block costs the central lock twice. So a few blocks of
// up to a megabyte are kept, those freed last foremost, and handed out to
// requests for just as many granules.
//
// A block in a magazine counts as in use by the central heap; only its place
// says that it is free.

#ifndef MEMALLOC_HEAP_LARGE_MAGAZINE_H_
#define MEMALLOC_HEAP_LARGE_MAGAZINE_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/math.h"
#include "memalloc/heap/block_list.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/constants.h"

namespace memalloc {

class LargeMagazine {
 public:
  constexpr LargeMagazine() = default;

  // Takes out the newest block of so many granules; null if there is none.
  BlockHeader* Take(size_t granules) {
    if (granules > kMaxGranules) return nullptr;
    BlockHeader* block = blocks_[granules - 1].PopFront();
    if (block == nullptr) return nullptr;
    block->place = BlockPlace::kCurrent;
    --counts_[granules - 1];
    granules_ -= granules;
    return block;
  }

  // Puts a large block in; false if there is no room for it.
  bool Put(BlockHeader* block) {
    const size_t granules = block->granules;
    if (granules_ + granules > kMaxTotal) return false;
    if (granules > kMaxGranules ||
        counts_[granules - 1] >= Min(kMaxCount, kMaxGranules / granules)) {
      return false;
    }
    block->place = BlockPlace::kKept;
    blocks_[granules - 1].PushFront(block);
    ++counts_[granules - 1];
    granules_ += granules;
    return true;
  }

  // Takes out any block; null when all is empty.
  BlockHeader* TakeAny() {
    if (granules_ == 0) return nullptr;
    size_t granules = 1;
    while (blocks_[granules - 1].empty()) ++granules;
    return Take(granules);
  }

 private:
  static constexpr size_t kMaxGranules = (size_t{1} << 20) / kGranuleSize;
  static constexpr size_t kMaxTotal = 3 * kMaxGranules;
  static constexpr size_t kMaxCount = 4;  // of one length

  BlockList blocks_[kMaxGranules];  // by length
  uint8_t counts_[kMaxGranules] = {};
  size_t granules_ = 0;
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_LARGE_MAGAZINE_H_
