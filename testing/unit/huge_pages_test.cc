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

CORE_TEST(HugePages, AreNotForBlocksAfterSparseOnes) {
  std::vector<void*> blocks;
  for (int i = 0; i < 20; ++i) {
    for (const size_t size : {5 * kMiB, 20 * kMiB}) {
      blocks.push_back(Allocate(size));
      Fill(blocks.back(), 100, 1);  // the first page
    }
  }
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  FreeAll(blocks);
}

CORE_TEST(HugePages, AreForBlocksAfterFilledOnes) {
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) {
    blocks.push_back(Allocate(20 * kMiB));
    Fill(blocks.back(), 20 * kMiB, 1);
  }
  EXPECT_GE(BytesAdvisedHuge(), 60 * kMiB);
  EXPECT_LE(BytesAdvisedHuge(), 61 * kMiB);
  // One that was filled half says nothing for the next.
  blocks.push_back(Allocate(20 * kMiB));
  Fill(blocks.back(), 10 * kMiB, 1);
  const size_t before = BytesAdvisedHuge();
  blocks.push_back(Allocate(20 * kMiB));
  EXPECT_EQ(BytesAdvisedHuge(), before);
  FreeAll(blocks);
}

CORE_TEST(HugePages, AreForLargeBlocksAfterFilledOnes) {
  std::vector<void*> blocks;
  for (int i = 0; i < 20; ++i) {
    blocks.push_back(Allocate(5 * kMiB));
    Fill(blocks.back(), 5 * kMiB, 1);
  }
  EXPECT_GE(BytesAdvisedHuge(), 50 * kMiB);
  FreeAll(blocks);
}

CORE_TEST(HugePages, AreNotForCalloc) {
  void* filled = Allocate(20 * kMiB);
  Fill(filled, 20 * kMiB, 1);
  void* table = AllocateZeroed(20 * kMiB);
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  Free(table);
  Free(filled);
}

// The newest block's memory may be gone when the next one is made.
CORE_TEST(HugePages, ABlockThatIsGoneSaysNothing) {
  void* block = Allocate(300 * kMiB);
  Free(block);
  block = Allocate(301 * kMiB);
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  Free(block);
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
  std::vector<void*> blocks;
  for (int i = 0; i < 3; ++i) {
    blocks.push_back(Allocate(20 * kMiB));
    Fill(blocks.back(), 20 * kMiB, 1);
  }
  EXPECT_EQ(BytesAdvisedHuge(), 0U);
  EXPECT_GE(BytesAdvisedSmall(), 160 * kMiB);
  FreeAll(blocks);
}

}  // namespace
}  // namespace memalloc
