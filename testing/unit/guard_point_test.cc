// Which allocations are guarded: one in so many, of each kind that can be.

#include "memalloc/heap/guard_point.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/os/os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"
#include "testing/unit/worker.h"

namespace memalloc {
namespace {

bool IsGuarded(const void* pointer) {
  return GuardPool::Has(reinterpret_cast<uintptr_t>(pointer));
}

// How many of so many allocations are guarded; each is freed at once.
size_t CountGuarded(size_t size, size_t count) {
  size_t guarded = 0;
  for (size_t i = 0; i < count; ++i) {
    void* pointer = Allocate(size);
    Fill(pointer, size, i);
    if (IsGuarded(pointer)) ++guarded;
    EXPECT_TRUE(HasPattern(pointer, size, i));
    Free(pointer);
  }
  return guarded;
}

void GuardOneIn(uint64_t rate) { SetOption(Option::kGuardSampleRate, rate); }

CORE_TEST(GuardPoint, GuardsNothingUnlessAsked) {
  EXPECT_EQ(CountGuarded(100, 1000), 0U);
  GuardOneIn(1);
  EXPECT_GT(CountGuarded(100, 1000), 0U);
  GuardOneIn(0);
  // What is due already comes.
  CountGuarded(100, 2);
  EXPECT_EQ(CountGuarded(100, 1000), 0U);
}

CORE_TEST(GuardPoint, GuardsAllAtARateOfOne) {
  GuardOneIn(1);
  // From bins and, above 1 KiB, from magazines.
  for (const size_t size : {0, 1, 100, 1024, 1500, 4096}) {
    SCOPED_TRACE(size);
    EXPECT_EQ(CountGuarded(size, 300), 300U);
  }
}

CORE_TEST(GuardPoint, GuardsOneInSoMany) {
  GuardOneIn(100);
  for (const size_t size : {16, 100, 1500}) {
    SCOPED_TRACE(size);
    const size_t guarded = CountGuarded(size, 100000);
    EXPECT_GT(guarded, 800U);
    EXPECT_LT(guarded, 1200U);
  }
}

CORE_TEST(GuardPoint, GuardsNothingAboveAPage) {
  GuardOneIn(1);
  for (const size_t size : {os::PageSize() + 1, size_t{300} << 10}) {
    EXPECT_EQ(CountGuarded(size, 300), 0U);
  }
}

CORE_TEST(GuardPoint, ServesAsUsualWhileNoSlotIsFree) {
  SetOption(Option::kGuardSlots, 4);
  GuardOneIn(1);
  std::vector<void*> all = AllocateMany(100, 1000);
  size_t guarded = 0;
  for (void* pointer : all) guarded += IsGuarded(pointer) ? 1 : 0;
  EXPECT_EQ(guarded, 4U);
  FreeAll(all);
  EXPECT_EQ(CountGuarded(100, 10), 10U);
  CheckHeap();
}

CORE_TEST(GuardPoint, KeepsWhatTheCallsPromise) {
  GuardOneIn(1);
  for (const size_t alignment : {16, 64, 1024, 4096}) {
    for (const size_t size : {1, 100, 4000}) {
      void* pointer = AllocateAligned(size, alignment);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(pointer) % alignment, 0U);
      Fill(pointer, size, size);
      Free(pointer);
    }
  }
  for (int i = 0; i < 600; ++i) {
    void* pointer = AllocateZeroed(200);
    EXPECT_TRUE(IsGuarded(pointer));
    EXPECT_TRUE(IsZero(pointer, 200));
    memset(pointer, 1, 200);
    Free(pointer);
  }
  char* text = static_cast<char*>(Allocate(1));
  for (size_t size = 1; size < 9000; size += 37) {
    text = static_cast<char*>(Reallocate(text, size));
    ASSERT_NE(text, nullptr);
    ASSERT_TRUE(size <= 37 || HasPattern(text, size - 37, 5));
    Fill(text, size, 5);
  }
  Free(text);
  g_guard_pool.Check();
  CheckHeap();
}

CORE_TEST(GuardPoint, GoesWithSamples) {
  GuardOneIn(20);
  SetOption(Option::kSampleInterval, 1000);
  std::vector<void*> all = AllocateMany(100, 20000);
  size_t samples = 0;
  for (void* pointer : all) {
    if (!IsGuarded(pointer) && IsSampled(BlockOfPointer(pointer))) ++samples;
  }
  EXPECT_GT(samples, 1700U);  // of 2,000 and more
  FreeAll(all);
  const size_t guarded = CountGuarded(100, 40000);
  EXPECT_GT(guarded, 1700U);
  EXPECT_LT(guarded, 2300U);
  CheckHeap();
}

CORE_TEST(GuardPoint, ServesThreadsAndWhatComesAfterTheirEnd) {
  GuardOneIn(1);
  void* before = Allocate(100);
  void* late = nullptr;
  {
    Worker worker;
    worker.Do([&] {
      Free(before);
      EXPECT_EQ(CountGuarded(100, 100), 100U);
      ThreadHeap* heap = t_heap;
      t_heap = &g_gone_heap;
      late = Allocate(100);
      t_heap = heap;
    });
  }
  EXPECT_TRUE(IsGuarded(late));
  Free(late);
  EXPECT_EQ(g_guard_pool.Counts().live, 0U);
}

}  // namespace
}  // namespace memalloc
