// The hardened allocator on a fake kernel: sizes, contents, memory that comes
// back, and a kernel that refuses guards.

#include "memalloc/heap/hardened_allocator.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/options.h"
#include "memalloc/hardened/guard.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/runtime/options.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;

struct Live {
  void* pointer;
  size_t size;
  uint64_t seed;
};

bool IsAsFilled(const Live& live) {
  return hardened::UsableSize(live.pointer) == live.size &&
         HasPattern(live.pointer, live.size, live.seed);
}

Live Filled(void* pointer, size_t size, uint64_t seed) {
  EXPECT_NE(pointer, nullptr);
  Fill(pointer, size, seed);
  return {pointer, size, seed};
}

size_t AnySize(std::mt19937_64& random) {
  const unsigned most = 4 + random() % 20;
  return random() % (size_t{1} << most);
}

void DoAnything(size_t steps, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Live> blocks;
  for (size_t step = 0; step < steps; ++step) {
    const size_t size = AnySize(random);
    if (blocks.size() > 100 || (!blocks.empty() && random() % 2 == 0)) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      Live& last = blocks.back();
      ASSERT_TRUE(IsAsFilled(last)) << last.size;
      if (random() % 3 == 0) {
        void* moved = hardened::Reallocate(last.pointer, size + 1);
        ASSERT_TRUE(HasPattern(moved, std::min(last.size, size + 1), last.seed,
                               last.size));
        last = Filled(moved, size + 1, step);
      } else {
        hardened::Free(last.pointer);
        blocks.pop_back();
      }
    } else if (random() % 4 == 0) {
      const size_t alignment = size_t{1} << random() % 18;
      void* pointer = hardened::AllocateAligned(size, alignment);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(pointer) % alignment, 0U);
      blocks.push_back(Filled(pointer, size, step));
    } else if (random() % 4 == 0) {
      void* pointer = hardened::AllocateZeroed(size);
      ASSERT_TRUE(IsZero(pointer, size));
      blocks.push_back(Filled(pointer, size, step));
    } else {
      blocks.push_back(Filled(hardened::Allocate(size), size, step));
    }
    if (step % 64 == 0) {
      hardened::CheckQuarantine();
      CheckHeap();
    }
  }
  for (const Live& live : blocks) {
    ASSERT_TRUE(IsAsFilled(live));
    hardened::Free(live.pointer);
  }
}

CORE_TEST(HardenedAllocator, DoesAnything) { DoAnything(5000, 1); }

CORE_TEST(HardenedAllocator, WithLargerPages) {
  fake_os::SetPageSize(64 * 1024);
  DoAnything(2000, 2);
}

CORE_TEST(HardenedAllocator, WithEachFeatureOff) {
  SetOption(Option::kQuarantine, 0);
  DoAnything(1000, 3);
  SetOption(Option::kZeroOnFree, 0);
  DoAnything(1000, 4);
  SetOption(Option::kRandomOrder, 0);
  SetOption(Option::kGuardPages, 0);
  DoAnything(1000, 5);
}

CORE_TEST(HardenedAllocator, WithEachFeatureAtItsMost) {
  SetOption(Option::kQuarantine, 64 * kMiB);
  SetOption(Option::kZeroOnFree, 64 * kMiB);
  DoAnything(2000, 6);
}

CORE_TEST(HardenedAllocator, HasItsOptionsFromOutside) {
  fake_os::SetEnvironment("MEMALLOC_QUARANTINE", "1M");
  fake_os::SetEnvironment("MEMALLOC_GUARD_PAGES", "off");
  hardened::Free(hardened::Allocate(1));
  EXPECT_EQ(GetOption(Option::kQuarantine), kMiB);
  EXPECT_EQ(GetOption(Option::kGuardPages), 0U);
  EXPECT_EQ(SetOptionByName("zero_on_free", "4K"), 0);
  EXPECT_EQ(GetOption(Option::kZeroOnFree), 4096U);
}

// An option may change while cells wait that were freed under another.
CORE_TEST(HardenedAllocator, OptionsChangeAtAnyTime) {
  for (uint64_t round = 0; round < 20; ++round) {
    SetOption(Option::kQuarantine, round % 3 * 128 * 1024);
    SetOption(Option::kZeroOnFree, round % 4 * 48);
    DoAnything(200, round);
  }
}

CORE_TEST(HardenedAllocator, WithoutGuardsWhereTheKernelRefuses) {
  fake_os::Fail(fake_os::Call::kProtect, 1, fake_os::kForEver);
  DoAnything(1000, 7);
}

CORE_TEST(HardenedAllocator, ABlockWhoseGuardStaysIsNotUsedAgain) {
  void* block = hardened::Allocate(100000);
  fake_os::Fail(fake_os::Call::kUnprotect, 1, fake_os::kForEver);
  hardened::Free(block);
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE(hardened::Allocate(100000), block);
  }
}

CORE_TEST(HardenedAllocator, ABlockUsedAgainKeepsItsGuard) {
  StartClock();
  hardened::Free(hardened::Allocate(100000));
  const size_t protects = fake_os::Count(fake_os::Call::kProtect);
  const size_t unprotects = fake_os::Count(fake_os::Call::kUnprotect);
  for (size_t size = 70000; size < 120000; size += 1000) {
    hardened::Free(hardened::Allocate(size));
    void* zeroed = hardened::AllocateZeroed(size);
    EXPECT_TRUE(IsZero(zeroed, size));
    hardened::Free(Filled(zeroed, size, size).pointer);
  }
  EXPECT_EQ(fake_os::Count(fake_os::Call::kProtect), protects);
  EXPECT_EQ(fake_os::Count(fake_os::Call::kUnprotect), unprotects);
}

// What shrinks is copied into a block whose last page has no access.
CORE_TEST(HardenedAllocator, ABlockUsedAgainTakesWhatShrinks) {
  SetOption(Option::kQuarantine, 0);
  hardened::Free(hardened::Allocate(1));
  // With its end, and the guard, it fills a block of 16 granules.
  const size_t size = 16 * kGranuleSize - 4096 - 24;
  hardened::Free(hardened::Allocate(size));
  for (size_t less = 0; less < 8192; less += 16) {
    constexpr size_t kHuge = size_t{16} << 20;
    void* huge = Filled(hardened::Allocate(kHuge), kHuge, 1).pointer;
    void* shrunk = hardened::Reallocate(huge, size - less);
    EXPECT_TRUE(HasPattern(shrunk, size - less, 1, kHuge));
    hardened::Free(shrunk);
  }
}

CORE_TEST(HardenedAllocator, FewGuardsArePlacedInASecond) {
  std::vector<void*> blocks;
  const auto allocate = [&] {
    const size_t before = fake_os::Count(fake_os::Call::kProtect);
    for (uint32_t i = 0; i < kMaxGuardsPerSecond * 2; ++i) {
      blocks.push_back(hardened::Allocate(70000));
    }
    return fake_os::Count(fake_os::Call::kProtect) - before;
  };
  // Those of the arenas' tables are counted too.
  constexpr size_t kForTables = 64;
  EXPECT_GE(allocate(), kMaxGuardsPerSecond);
  EXPECT_LE(allocate(), kForTables);
  fake_os::PassTime(2048);
  EXPECT_GE(allocate(), kMaxGuardsPerSecond);
  EXPECT_LE(allocate(), kForTables);
  for (void* block : blocks) hardened::Free(block);
}

CORE_TEST(HardenedAllocator, FreedCellsComeBackClear) {
  SetOption(Option::kZeroOnFree, 1024);
  std::vector<void*> cells;
  for (int i = 0; i < 10000; ++i) cells.push_back(hardened::Allocate(56));
  for (void* cell : cells) Fill(cell, 56, 1);
  for (void* cell : cells) hardened::Free(cell);
  hardened::EmptyQuarantine();
  for (int i = 0; i < 10000; ++i) {
    ASSERT_TRUE(IsZero(hardened::Allocate(56), 56));
  }
}

CORE_TEST(HardenedAllocator, AFreedCellIsNotTheNext) {
  void* first = hardened::Allocate(100);
  hardened::Free(first);
  size_t soon = 0;
  for (int i = 0; i < 16; ++i) {
    void* next = hardened::Allocate(100);
    soon += next == first;
    hardened::Free(next);
  }
  EXPECT_EQ(soon, 0U);
}

CORE_TEST(HardenedAllocator, WhatIsHeldBackIsFreedWhenMemoryIsShort) {
  SetOption(Option::kQuarantine, 1024 * kMiB);
  std::vector<void*> blocks;
  for (int i = 0; i < 32; ++i) blocks.push_back(hardened::Allocate(4 * kMiB));
  for (void* block : blocks) ASSERT_NE(block, nullptr);
  void* cell = hardened::Allocate(100);
  fake_os::LimitMemory(fake_os::UsableBytes());
  for (void* block : blocks) hardened::Free(block);
  for (void*& block : blocks) {
    block = hardened::Allocate(4 * kMiB);
    EXPECT_NE(block, nullptr);
  }
  hardened::Free(cell);
}

CORE_TEST_WITHOUT_TSAN(HardenedAllocator, AThreadsEndFreesWhatItHeldBack,
                       "it lets no child of a process with threads start any") {
  const uint64_t before = [] {
    Worker worker;
    worker.Do([] { hardened::Free(hardened::Allocate(30000)); });
    EndAndEmpty(worker);
    return BlocksInUse();
  }();
  for (int i = 0; i < 20; ++i) {
    Worker worker;
    worker.Do([] {
      for (int n = 0; n < 50; ++n) {
        hardened::Free(hardened::Allocate(30000));
        hardened::Free(hardened::Allocate(100));
      }
    });
    EndAndEmpty(worker);
  }
  EmptyParkedHeaps();
  EXPECT_LE(BlocksInUse(), before + 8);
}

CORE_TEST(HardenedAllocator, WhatAnotherThreadFreesIsCheckedToo) {
  Worker worker;
  for (int round = 0; round < 50; ++round) {
    std::vector<void*> cells;
    for (int i = 0; i < 300; ++i) {
      const size_t size = 1 + i * 7 % 900;
      cells.push_back(hardened::Allocate(size));
      Fill(cells.back(), size, 9);
    }
    worker.Do([&] {
      for (void* cell : cells) hardened::Free(cell);
    });
  }
  worker.End();
  CheckHeap();
}

// What only the other build does.
TEST(HardenedAllocator, TellsThatItRecordsNoTrace) {
  EXPECT_EQ(OutputUntilAbort([] {
              fake_os::SetEnvironment("MEMALLOC_TRACE", "/trace");
              hardened::Free(hardened::Allocate(100));
              EXPECT_EQ(fake_os::Files(), 0U);
              abort();
            }),
            "memalloc: MEMALLOC_TRACE: has no effect in the hardened build; it "
            "is ignored, see docs/errors.md#not-hardened\n");
}

}  // namespace
}  // namespace memalloc
