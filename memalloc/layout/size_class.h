// Size classes: which cell size serves which request. Layer: layout.
//
// Up to 256 bytes the classes are the multiples of 16; above, each doubling
// is cut into eight equal steps, so that at most 1/9 of a cell is lost to
// rounding. All tables are computed at compile time from those two numbers;
// testing/unit/size_class_test.cc recomputes them by brute force.

#ifndef MEMALLOC_LAYOUT_SIZE_CLASS_H_
#define MEMALLOC_LAYOUT_SIZE_CLASS_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/layout/constants.h"

namespace memalloc {

inline constexpr unsigned kLinearClasses = 16;
inline constexpr size_t kMaxLinearSize = kLinearClasses * kMinAlignment;
inline constexpr unsigned kStepsPerDoublingLog2 = 3;
inline constexpr unsigned kStepsPerDoubling = 1U << kStepsPerDoublingLog2;
inline constexpr unsigned kNumSizeClasses =
    kLinearClasses +
    (Log2(kMaxSmallSize) - Log2(kMaxLinearSize)) * kStepsPerDoubling;

// A size class's number, 0 for the smallest cells.
using SizeClass = uint8_t;

// The class of the smallest cells of at least `size` bytes;
// size <= kMaxSmallSize.
constexpr SizeClass SizeClassOf(size_t size) {
  if (size <= kMaxLinearSize) {
    const size_t units = (size + kMinAlignment - 1) / kMinAlignment;
    return static_cast<SizeClass>(units - (units != 0));
  }
  const unsigned doubling = Log2(size - 1);
  const size_t step = (size - 1) >> (doubling - kStepsPerDoublingLog2);
  return static_cast<SizeClass>(
      kLinearClasses + (doubling - Log2(kMaxLinearSize)) * kStepsPerDoubling +
      (step - kStepsPerDoubling));
}

// Bytes of a cell of the class.
constexpr size_t CellSize(SizeClass size_class) {
  if (size_class < kLinearClasses) return (size_class + 1U) * kMinAlignment;
  const unsigned above = size_class - kLinearClasses;
  const unsigned doubling = Log2(kMaxLinearSize) + above / kStepsPerDoubling;
  const size_t step = above % kStepsPerDoubling + kStepsPerDoubling + 1;
  return step << (doubling - kStepsPerDoublingLog2);
}

// Granules in a block of cells of `cell_size`: at least eight cells a block,
// so that the central lock is taken seldom.
constexpr size_t GranulesPerBlock(size_t cell_size) {
  size_t granules = 1;
  while (granules * kGranuleSize < 8 * cell_size) granules *= 2;
  return granules;
}

// Requests up to kMaxTableSize find their class in a table.
inline constexpr size_t kMaxTableSize = 1024;

struct SizeClassTable {
  SizeClass of[kMaxTableSize / kMinAlignment + 1];

  constexpr SizeClassTable() : of() {
    for (size_t i = 0; i < sizeof(of); ++i) {
      of[i] = SizeClassOf(i * kMinAlignment);
    }
  }

  // size <= kMaxTableSize.
  MEMALLOC_FAST SizeClass Of(size_t size) const {
    return of[(size + kMinAlignment - 1) / kMinAlignment];
  }
};

// What tells multiples of the classes' cell sizes without a division.
struct CellDivisors {
  uint64_t of[kNumSizeClasses];

  constexpr CellDivisors() : of() {
    for (unsigned c = 0; c < kNumSizeClasses; ++c) {
      of[c] = UINT64_MAX / CellSize(static_cast<SizeClass>(c)) + 1;
    }
  }
};
inline constexpr CellDivisors kCellDivisors;

// Whether `offset`, less than 2^32, is a multiple of the class's cell size: the
// fraction of offset / size, in units of 2^-64, is less than that of 1 / size
// (Lemire, Kaser and Kurz, Faster Remainder by Direct Computation, 2019).
MEMALLOC_FAST bool IsCellMultiple(uint64_t offset, SizeClass size_class) {
  const uint64_t divisor = kCellDivisors.of[size_class];
  return offset * divisor < divisor;
}

static_assert(SizeClassOf(0) == 0 && SizeClassOf(1) == 0);
static_assert(SizeClassOf(kMaxSmallSize) == kNumSizeClasses - 1);
static_assert(CellSize(kNumSizeClasses - 1) == kMaxSmallSize);
static_assert(GranulesPerBlock(kMaxSmallSize) < kGranulesPerArena);

}  // namespace memalloc

#endif  // MEMALLOC_LAYOUT_SIZE_CLASS_H_
