// Huge pages are asked for where use is dense, and nowhere else.

#include <cstddef>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::BytesAdvisedHuge;
using fake_os::BytesAdvisedSmall;

constexpr size_t kMiB = 1024 * 1024;
constexpr size_t kHugePageSize = 2 * kMiB;

void Want(HugePages huge_pages) {
  SetOption(Option::kHugePages, static_cast<uint64_t>(huge_pages));
}

std::vector<void*> AllocateCells(size_t bytes, size_t size) {
  std::vector<void*> cells;
  for (size_t i = 0; i < bytes / size; ++i) {
    cells.push_back(Allocate(size));
    Fill(cells.back(), size, i);
  }
  return cells;
}

CORE_TEST(HugePages, AreNotForSmallHeaps) {
  FreeAll(AllocateCells(20 * kMiB, 1000));
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  EXPECT_EQ(BytesAdvisedSmall(), 0U);
}

CORE_TEST(HugePages, AreForTheGrowthOfLargeHeaps) {
  FreeAll(AllocateCells(100 * kMiB, 1000));
  EXPECT_GE(BytesAdvisedHuge(), 60 * kMiB);
  EXPECT_LE(BytesAdvisedHuge(), 110 * kMiB);
}

// The host of a virtual machine may have no memory behind them yet.
CORE_TEST(HugePages, AreNotWhereTheirFirstTouchIsSlow) {
  fake_os::SetTimeToTouch(3000000);
  const std::vector<void*> cells = AllocateCells(200 * kMiB, 1000);
  const size_t tried = BytesAdvisedHuge();
  EXPECT_GE(tried, 2 * kHugePageSize);
  EXPECT_LE(tried, 5 * kHugePageSize) << "after ever more growths";
  EXPECT_EQ(BytesAdvisedSmall(), tried) << "and taken back";
  fake_os::SetTimeToTouch(300000);
  const std::vector<void*> more = AllocateCells(400 * kMiB, 1000);
  EXPECT_GE(BytesAdvisedHuge(), tried + 50 * kMiB);
  FreeAll(cells);
  FreeAll(more);
}

// Many threads with little memory each: a page of each block is used.
CORE_TEST(HugePages, AreNotForGrowthThatIsUsedSparsely) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 100; ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->Do([] {
      for (size_t size = 16; size <= 4096; size *= 2) {
        Fill(Allocate(size), size, 1);
      }
    });
  }
  EXPECT_GE(g_central_heap.Counts().backed_bytes, 50 * kMiB);
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
}

// Nothing is known of these, filled or not.
CORE_TEST(HugePages, AreNotForLargerBlocks) {
  std::vector<void*> blocks;
  for (int i = 0; i < 20; ++i) {
    for (const size_t size : {5 * kMiB, 20 * kMiB}) {
      blocks.push_back(Allocate(size));
      Fill(blocks.back(), size, 1);
    }
  }
  FreeAll(blocks);
  Free(Allocate(50 * kMiB));
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
}

// The growth that is asked about may be gone.
CORE_TEST(HugePages, GrowthThatWasGivenBackSaysNothing) {
  for (int i = 0; i < 3; ++i) {
    FreeAll(AllocateCells(60 * kMiB, 1000));
    g_central_heap.Trim(0);
    CheckHeap();
  }
}

CORE_TEST(HugePages, EndWhereMemoryIsPurged) {
  const std::vector<void*> cells = AllocateCells(100 * kMiB, 1000);
  std::vector<void*> freed;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i % 1000 != 0) freed.push_back(cells[i]);
  }
  FreeAll(freed);
  EXPECT_EQ(BytesAdvisedSmall(), 0U);
  g_central_heap.Trim(0);
  EXPECT_GE(BytesAdvisedSmall(), 60 * kMiB);
  const size_t small = BytesAdvisedSmall();
  g_central_heap.Trim(0);
  EXPECT_EQ(BytesAdvisedSmall(), small) << "the kernel was told before";
}

CORE_TEST(HugePages, CanBeHadAlways) {
  Want(HugePages::kAlways);
  Free(Allocate(100));
  EXPECT_GE(BytesAdvisedHuge(), kMiB);
  const size_t before = BytesAdvisedHuge();
  Free(AllocateZeroed(20 * kMiB));
  EXPECT_GE(BytesAdvisedHuge(), before + 20 * kMiB);
}

CORE_TEST(HugePages, CanBeHadNever) {
  Want(HugePages::kNever);
  FreeAll(AllocateCells(100 * kMiB, 1000));
  Free(Allocate(60 * kMiB));
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  EXPECT_GE(BytesAdvisedSmall(), 100 * kMiB + 60 * kMiB);
}

}  // namespace
}  // namespace memalloc
