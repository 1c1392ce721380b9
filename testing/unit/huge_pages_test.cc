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
  EXPECT_LE(BytesAdvisedHuge(), 90 * kMiB);
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

// Frees blocks of which the first `filled` bytes are not zero.
void FreeBlocks(size_t size, size_t filled) {
  for (int i = 0; i < 8; ++i) {  // one in eight is looked at
    void* block = Allocate(size);
    Fill(block, filled, 1);
    Free(block);
  }
}

CORE_TEST(HugePages, AreNotForBlocksAfterSparseOnes) {
  std::vector<void*> blocks;
  for (int i = 0; i < 20; ++i) {
    FreeBlocks(5 * kMiB, 100);
    FreeBlocks(40 * kMiB, 20 * kMiB);
    blocks.push_back(Allocate(5 * kMiB));
    blocks.push_back(Allocate(20 * kMiB));
  }
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  FreeAll(blocks);
}

CORE_TEST(HugePages, AreForBlocksAfterFilledOnes) {
  std::vector<void*> blocks = AllocateMany(20 * kMiB, 3);
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  FreeBlocks(10 * kMiB, 10 * kMiB);
  blocks.push_back(Allocate(30 * kMiB));
  EXPECT_GE(BytesAdvisedHuge(), 20 * kMiB);
  EXPECT_LE(BytesAdvisedHuge(), 31 * kMiB);
  FreeAll(blocks);
}

CORE_TEST(HugePages, AreForTheGrowthForBlocksAfterFilledOnes) {
  std::vector<void*> blocks = AllocateMany(5 * kMiB, 10);
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  FreeBlocks(kMiB, kMiB);
  for (void* block : AllocateMany(5 * kMiB, 10)) blocks.push_back(block);
  EXPECT_GE(BytesAdvisedHuge(), 30 * kMiB);
  FreeAll(blocks);
}

CORE_TEST(HugePages, AreNotForCalloc) {
  FreeBlocks(10 * kMiB, 10 * kMiB);
  Free(AllocateZeroed(30 * kMiB));
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
  FreeBlocks(10 * kMiB, 10 * kMiB);
  Free(Allocate(60 * kMiB));
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  EXPECT_GE(BytesAdvisedSmall(), 100 * kMiB + 60 * kMiB);
}

}  // namespace
}  // namespace memalloc
