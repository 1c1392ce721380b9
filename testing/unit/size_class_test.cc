// The size classes, recomputed by brute force: every size up to the largest
// cell is looked up in a list of classes that is built here in another way.

#include "memalloc/layout/size_class.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/layout/constants.h"

namespace memalloc {
namespace {

// All cell sizes: multiples of 16 up to 256, then eight steps a doubling.
std::vector<size_t> CellSizes() {
  std::vector<size_t> sizes;
  for (size_t size = 16; size <= 256; size += 16) sizes.push_back(size);
  for (size_t base = 256; base < kMaxSmallSize; base *= 2) {
    for (size_t step = 1; step <= 8; ++step) {
      sizes.push_back(base + step * base / 8);
    }
  }
  return sizes;
}

TEST(SizeClass, SizesAreTheList) {
  const std::vector<size_t> sizes = CellSizes();
  ASSERT_EQ(sizes.size(), kNumSizeClasses);
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    EXPECT_EQ(CellSize(static_cast<SizeClass>(c)), sizes[c]) << "class " << c;
    EXPECT_EQ(sizes[c] % kMinAlignment, 0U);
  }
  EXPECT_EQ(sizes.back(), kMaxSmallSize);
}

TEST(SizeClass, EverySizeGetsTheSmallestCellThatHoldsIt) {
  const std::vector<size_t> sizes = CellSizes();
  for (size_t size = 0; size <= kMaxSmallSize; ++size) {
    const auto best = std::lower_bound(sizes.begin(), sizes.end(), size);
    ASSERT_EQ(SizeClassOf(size), best - sizes.begin()) << "size " << size;
  }
}

TEST(SizeClass, MultiplesAreToldWithoutADivision) {
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    const auto size_class = static_cast<SizeClass>(c);
    const size_t cell = CellSize(size_class);
    const size_t block = GranulesPerBlock(cell) * kGranuleSize;
    for (size_t offset = 0; offset < block; ++offset) {
      ASSERT_EQ(IsCellMultiple(offset, size_class), offset % cell == 0)
          << offset << " of " << cell;
    }
  }
}

TEST(SizeClass, TheTableAgrees) {
  const SizeClassTable table;
  for (size_t size = 0; size <= kMaxTableSize; ++size) {
    ASSERT_EQ(table.Of(size), SizeClassOf(size)) << "size " << size;
  }
}

// Bytes lost in a cell, as a share of the cell.
double WasteOf(size_t size) {
  const size_t cell = CellSize(SizeClassOf(size));
  return static_cast<double>(cell - size) / static_cast<double>(cell);
}

TEST(SizeClass, RoundingWastesAtMostAnEighthAbove128) {
  size_t worst = 129;
  for (size_t size = 129; size <= kMaxSmallSize; ++size) {
    if (WasteOf(size) > WasteOf(worst)) worst = size;
  }
  printf("worst waste: %.2f %%, %zu bytes in a cell of %zu\n",
         100 * WasteOf(worst), worst, CellSize(SizeClassOf(worst)));
  EXPECT_LE(WasteOf(worst), 0.125);
}

// What AllocateAligned rests on.
TEST(SizeClass, OfAMultipleOfAnAlignmentIsAMultipleToo) {
  for (size_t align = 1; align <= kGranuleSize; align *= 2) {
    for (size_t size = align; size <= kMaxSmallSize; size += align) {
      ASSERT_EQ(CellSize(SizeClassOf(size)) % align, 0U)
          << "size " << size << ", alignment " << align;
    }
  }
}

TEST(SizeClass, BelowThatAtMost15Bytes) {
  for (size_t size = 1; size <= 128; ++size) {
    ASSERT_LT(CellSize(SizeClassOf(size)) - size, 16U) << "size " << size;
  }
}

TEST(SizeClass, ABlockHoldsAtLeastEightCellsAndLosesLittle) {
  double worst = 0;
  size_t worst_cell = 0;
  for (const size_t cell : CellSizes()) {
    const size_t bytes = GranulesPerBlock(cell) * kGranuleSize;
    EXPECT_GE(bytes / cell, 8U) << "cell " << cell;
    EXPECT_LE(bytes / cell, UINT16_MAX) << "cell " << cell;
    EXPECT_LT(GranulesPerBlock(cell), kGranulesPerArena) << "cell " << cell;
    const double waste =
        static_cast<double>(bytes % cell) / static_cast<double>(bytes);
    if (waste > worst) {
      worst = waste;
      worst_cell = cell;
    }
  }
  printf("worst tail of a block: %.2f %%, cells of %zu\n", 100 * worst,
         worst_cell);
  EXPECT_LE(worst, 0.125);
}

}  // namespace
}  // namespace memalloc
