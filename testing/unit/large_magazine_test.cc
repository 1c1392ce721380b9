// The magazine for large blocks: what a thread freed last comes back to it
// without the central heap; little is kept, and none of it is lost.

#include <cstring>
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

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kSize = 200 * 1000;

uint64_t Live() { return g_central_heap.Counts().live_bytes; }

// Only a thread with a heap has a magazine.
void HaveAHeap() { Free(Allocate(1)); }

CORE_TEST(LargeMagazine, TheNewestComesBackFirst) {
  HaveAHeap();
  const uint64_t live = Live();
  const std::vector<void*> blocks = AllocateMany(kSize, 3);
  const uint64_t in_use = BlocksInUse();
  FreeAll(blocks);
  EXPECT_EQ(BlocksInUse(), in_use) << "the central heap does not know";
  EXPECT_EQ(Live(), live) << "but they are not the program's";
  CheckHeap();
  EXPECT_EQ(Allocate(kSize), blocks[2]);
  EXPECT_EQ(Allocate(kSize + 5), blocks[1]) << "as many granules";
  EXPECT_NE(Allocate(kSize / 2), blocks[0]) << "fewer granules";
  EXPECT_EQ(AllocateAligned(kSize, 4096), blocks[0]);
  CheckHeap();
}

CORE_TEST(LargeMagazine, ZeroedMemoryIsZero) {
  HaveAHeap();
  void* block = Allocate(kSize);
  Fill(block, kSize, 1);
  Free(block);
  ASSERT_EQ(AllocateZeroed(kSize), block);
  EXPECT_TRUE(IsZero(block, kSize));
}

CORE_TEST(LargeMagazine, HoldsLittle) {
  HaveAHeap();
  const uint64_t before = BlocksInUse();
  for (size_t size = 100 * 1000; size < 4 * kMiB; size += 50 * 1000) {
    FreeAll(AllocateMany(size, 8));
  }
  const CentralCounts counts = g_central_heap.Counts();
  EXPECT_GT(counts.blocks, before);
  EXPECT_LE(counts.block_bytes, 4 * kMiB);
  CheckHeap();
}

CORE_TEST(LargeMagazine, HoldsNothingWhereNothingIsToBeKept) {
  HaveAHeap();
  SetOption(Option::kPurgeDelay, 0);
  void* block = Allocate(kSize);
  const uint64_t in_use = BlocksInUse();
  Free(block);
  EXPECT_EQ(BlocksInUse(), in_use - 1);
}

CORE_TEST(LargeMagazine, GoesBackWithTheTick) {
  HaveAHeap();
  void* block = Allocate(kSize);
  const uint64_t in_use = BlocksInUse();
  Free(block);
  fake_os::PassTime(1000);
  PassSlowPath();
  EXPECT_LT(BlocksInUse(), in_use);
  CheckHeap();
}

CORE_TEST(LargeMagazine, GoesBackWithTheThread) {
  Worker worker;
  worker.Do([] { HaveAHeap(); });
  const uint64_t in_use = BlocksInUse();
  worker.Do([] { Free(Allocate(kSize)); });
  EXPECT_EQ(BlocksInUse(), in_use + 1);
  worker.End();
  EXPECT_EQ(BlocksInUse(), in_use);
}

CORE_TEST(LargeMagazine, GoesBackWhenMemoryIsShort) {
  HaveAHeap();
  void* block = Allocate(kSize);
  TakeFreeGranules();
  fake_os::FailAny(1, SIZE_MAX);
  EXPECT_EQ(Allocate(kSize / 2), nullptr);
  Free(block);
  EXPECT_NE(Allocate(kSize / 2), nullptr);
}

// Freed by another thread than the one that allocated it, and than its next
// user.
CORE_TEST(LargeMagazine, BelongsToWhoFrees) {
  void* block = Allocate(kSize);
  Worker worker;
  worker.Do([&] {
    HaveAHeap();
    Free(block);
    EXPECT_EQ(Allocate(kSize), block);
    Fill(block, kSize, 7);
  });
  EXPECT_NE(Allocate(kSize), block);
  EXPECT_TRUE(HasPattern(block, kSize, 7));
}

CORE_TEST(LargeMagazine, WhoLivesOffItLooksAtTheClock) {
  HaveAHeap();
  Free(Allocate(kSize));
  const uint32_t ticks = g_central_heap.ticks();
  fake_os::PassTime(1000);
  for (int i = 0; i < 100; ++i) Free(Allocate(kSize));
  EXPECT_GT(g_central_heap.ticks(), ticks);
}

void ExpectNoAllocation(const char* call, const void* pointer) {
  ExpectMisuse(call, pointer, "no allocation stands here (freed before?)",
               "no-allocation");
}

TEST(LargeMagazineErrors, ADoubleFree) {
  RunUntilAbort([] {
    HaveAHeap();
    void* block = Allocate(kSize);
    Free(block);
    ExpectNoAllocation("free", block);
    Free(block);
  });
}

TEST(LargeMagazineErrors, AReallocOfWhatIsFree) {
  RunUntilAbort([] {
    HaveAHeap();
    void* block = Allocate(kSize);
    Free(block);
    ExpectNoAllocation("realloc", block);
    Reallocate(block, kSize);
  });
}

}  // namespace
}  // namespace memalloc
