// Whether an address is the start of a cell: exactly, by one multiplication.
// Layer: hardened.
//
// n is a multiple of d if and only if n * c, modulo 2^64, is below c, where c
// is 2^64 / d rounded up; for all n and d below 2^32 (Lemire, Kaser, Kurz:
// Faster remainder by direct computation, 2019).

#ifndef MEMALLOC_HARDENED_CELL_START_H_
#define MEMALLOC_HARDENED_CELL_START_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {

struct CellReciprocals {
  uint64_t of[kNumSizeClasses];

  constexpr CellReciprocals() : of() {
    for (unsigned c = 0; c < kNumSizeClasses; ++c) {
      of[c] = UINT64_MAX / CellSize(static_cast<SizeClass>(c)) + 1;
    }
  }
};
inline constexpr CellReciprocals kCellReciprocals;

// Whether a cell of the class may begin `offset` bytes into its block.
MEMALLOC_FAST bool IsCellOffset(size_t offset, SizeClass size_class) {
  const uint64_t reciprocal = kCellReciprocals.of[size_class];
  return offset * reciprocal < reciprocal;
}

// The address lies in the small block.
MEMALLOC_FAST bool IsCellStart(const BlockHeader* block, uintptr_t address) {
  return IsCellOffset(address - BlockStart(block), block->size_class);
}

}  // namespace memalloc

#endif  // MEMALLOC_HARDENED_CELL_START_H_
