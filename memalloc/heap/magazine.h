// Cells of medium size that a thread freed last, ready for its next malloc.
// Layer: heap.
//
// A block of medium cells, above kMaxTableSize, has few of them: under random
// churn it would be claimed for one free cell, refilled from, and given up, at
// nearly every operation. So a few cells of blocks that the thread does not own
// are kept here instead, whoever owns their blocks, and handed out first, the
// newest foremost: it is likely in the cache.
//
// A cell in a magazine counts as handed out, so its block cannot become empty.
// It is marked as a free one by its link, which leads nowhere.

#ifndef MEMALLOC_HEAP_MAGAZINE_H_
#define MEMALLOC_HEAP_MAGAZINE_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/glance.h"
#include "memalloc/base/math.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {

inline constexpr SizeClass kFirstMagazineClass = SizeClassOf(kMaxTableSize) + 1;
inline constexpr size_t kMagazineClasses =
    kNumSizeClasses - kFirstMagazineClass;

// The cells of one class.
struct Magazine {
  static constexpr size_t kMaxCells = 3;
  static constexpr size_t kMaxBytes = size_t{32} * 1024;

  size_t count = 0;
  FreeCell* cells[kMaxCells] = {};
};

// How many cells each may hold.
struct MagazineRooms {
  uint8_t of[kMagazineClasses];

  constexpr MagazineRooms() : of() {
    for (size_t i = 0; i < kMagazineClasses; ++i) {
      const size_t size =
          CellSize(static_cast<SizeClass>(kFirstMagazineClass + i));
      of[i] = static_cast<uint8_t>(
          Min(Magazine::kMaxCells, Magazine::kMaxBytes / size));
    }
  }
};
inline constexpr MagazineRooms kMagazineRooms;

class Magazines {
 public:
  constexpr Magazines() = default;

  static constexpr bool Has(SizeClass size_class) {
    return size_class >= kFirstMagazineClass;
  }

  // Takes out the newest cell of the class; null if there is none. A class that
  // has a magazine only.
  FreeCell* Take(SizeClass size_class) {
    Magazine& magazine = magazines_[size_class - kFirstMagazineClass];
    if (magazine.count == 0) return nullptr;
    FreeCell* cell = magazine.cells[--magazine.count];
    if (kHasChecks) {
      const uintptr_t key = BlockOf(AddressOf(cell))->link_key;
      if (MEMALLOC_UNLIKELY(cell->Next(key) != 0)) DieOfOverwrittenLink(cell);
    }
    cell->Clear();
    return cell;
  }

  // Puts a cell of the block in, which has a magazine; false if that is full.
  bool Put(const BlockHeader* block, FreeCell* cell) {
    const size_t number = block->size_class - kFirstMagazineClass;
    Magazine& magazine = magazines_[number];
    if (magazine.count == kMagazineRooms.of[number]) return false;
    cell->SetNext(0, block->link_key);
    magazine.cells[magazine.count++] = cell;
    return true;
  }

  // Cells of the class. Called by any thread: what it had at some time.
  size_t CountOf(SizeClass size_class) const {
    const size_t number = size_class - kFirstMagazineClass;
    return Min<size_t>(Glance(magazines_[number].count),
                       kMagazineRooms.of[number]);
  }

  // Takes out any cell; null when all is empty.
  FreeCell* TakeAny() {
    for (unsigned c = kFirstMagazineClass; c < kNumSizeClasses; ++c) {
      FreeCell* cell = Take(static_cast<SizeClass>(c));
      if (cell != nullptr) return cell;
    }
    return nullptr;
  }

 private:
  Magazine magazines_[kMagazineClasses];
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_MAGAZINE_H_
