// A batch: cells of one block that travel together to another thread's heap.
// Layer: heap.
//
// The cells are linked as they will stand in their block's free list, up to
// the anchor, the first one that was freed. The anchor's two words lead to the
// rest, so that the receiver adds the whole batch by touching the anchor
// alone:
//   word 0: the list's first cell
//   word 1: the next batch of the inbox, and the number of cells in the upper
//           16 bits
// exclusive-or the block's key and the process's key. A cell has room for two
// words.

#ifndef MEMALLOC_HEAP_BATCH_H_
#define MEMALLOC_HEAP_BATCH_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/settings.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/constants.h"
#include "memalloc/layout/free_cell.h"

namespace memalloc {

class Batch {
 public:
  static Batch* At(uintptr_t address) {
    return reinterpret_cast<Batch*>(address);
  }
  uintptr_t Address() const { return reinterpret_cast<uintptr_t>(this); }

  // Makes the batch of `cells` cells of the block from `first` up to this one.
  void Seal(const BlockHeader* block, FreeCell* first, uint32_t cells) {
    first_.SetNext(AddressOf(first), block->link_key);
    rest_ = (uintptr_t{cells} << kFreeTagShift) ^ g_link_key;
  }

  // The first cell; dies if the anchor was overwritten.
  FreeCell* CheckedFirst(const BlockHeader* block) const {
    const uintptr_t first = first_.Next(block->link_key);
    if (kHasChecks &&
        (!IsCellOf(block, first) || cells() == 0 || cells() > block->carved)) {
      DieOfOverwrittenLink(&first_);
    }
    return CellAt(first);
  }

  uint32_t cells() const {
    return static_cast<uint32_t>((rest_ ^ g_link_key) >> kFreeTagShift);
  }

  uintptr_t next() const { return (rest_ ^ g_link_key) & kAddressMask; }
  // The same of a batch that came in; dies if it was overwritten.
  uintptr_t CheckedNext() const {
    if (kHasChecks && next() != 0 &&
        g_address_map.Find(next()) != SlotKind::kArena) {
      DieOfOverwrittenLink(&first_);
    }
    return next();
  }

  // Links the cells in front of `next`, which ends the batch.
  void LinkTo(uintptr_t next, uintptr_t key) {
    first_.SetNext(next, key);
    // There, free cells are clear but for their link.
    if constexpr (kIsHardened) rest_ = 0;
  }

  void SetNext(uintptr_t next) {
    rest_ = (uintptr_t{cells()} << kFreeTagShift | next) ^ g_link_key;
  }

 private:
  static constexpr uintptr_t kAddressMask = (uintptr_t{1} << kFreeTagShift) - 1;

  FreeCell first_;
  uintptr_t rest_;
};

static_assert(sizeof(Batch) <= kMinAlignment);
static_assert(kAddressBits <= kFreeTagShift);

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_BATCH_H_
