// How the heap grows: from a break that begins anywhere, that others move, that
// cannot be moved, and from mappings instead.

#include <functional>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::Call;

constexpr size_t kMiB = 1024 * 1024;

// Blocks in use with known contents, checked when they are freed.
class LiveBlocks {
 public:
  ~LiveBlocks() {
    while (!blocks_.empty()) FreeOne(blocks_.size() - 1);
  }

  void Add(size_t size) {
    void* block = Allocate(size);
    ASSERT_NE(block, nullptr) << size;
    ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % kMinAlignment, 0U);
    Fill(block, size, ++seed_);
    blocks_.push_back({block, size, seed_});
  }

  void FreeOne(size_t index) {
    const Live live = blocks_[index];
    EXPECT_TRUE(HasPattern(live.block, live.size, live.seed));
    Free(live.block);
    blocks_[index] = blocks_.back();
    blocks_.pop_back();
  }

  size_t size() const { return blocks_.size(); }

 private:
  struct Live {
    void* block;
    size_t size;
    uint64_t seed;
  };
  std::vector<Live> blocks_;
  uint64_t seed_ = 0;
};

// Some blocks of all kinds that arenas serve, about 30 MiB.
void UseTheHeap() {
  LiveBlocks live;
  for (int round = 0; round < 3; ++round) {
    for (const size_t size :
         {size_t{1}, size_t{100}, size_t{5000}, size_t{60000}, size_t{300000},
          2 * kMiB, 7 * kMiB}) {
      live.Add(size);
      CheckHeap();
    }
  }
}

// ---- the break alone ----

CORE_TEST(Break, FirstArenaIsAlignedAboveAnUnalignedBreak) {
  fake_os::PlaceBreak(0x1234567);
  const uintptr_t start = fake_os::BreakNow();
  const auto cell = reinterpret_cast<uintptr_t>(Allocate(100));
  EXPECT_GE(ArenaOf(cell), start);
  EXPECT_LT(ArenaOf(cell), start + kArenaSize);
  EXPECT_EQ(fake_os::BreakNow() % kGranuleSize, 0U);
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
  EXPECT_EQ(g_central_heap.Counts().arenas, 1U);
  EXPECT_LE(g_central_heap.Counts().backed_bytes, 4 * kMiB) << "starts small";
}

TEST(Break, MayBeginAnywhere) {
  for (const size_t offset :
       {size_t{0}, size_t{1}, size_t{4095}, kGranuleSize - 1, kGranuleSize,
        kGranuleSize + 1, kArenaSize - kGranuleSize, kArenaSize - 1,
        kArenaSize}) {
    SCOPED_TRACE(offset);
    RunInFreshProcess([offset] {
      fake_os::PlaceBreak(offset);
      UseTheHeap();
      EXPECT_EQ(fake_os::MappedBytes(), 0U);
    });
  }
}

CORE_TEST(Break, GrowsOverManyArenas) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < 100; ++i) {
    blocks.push_back(Allocate(5 * kMiB));
    ASSERT_NE(blocks.back(), nullptr);
    Fill(blocks.back(), 100, i);
    CheckHeap();
  }
  EXPECT_EQ(fake_os::MappedBytes(), 0U);
  // Three blocks of 5 MiB fit in an arena.
  EXPECT_GE(g_central_heap.Counts().arenas, 33U);
  EXPECT_LE(g_central_heap.Counts().arenas, 36U);
  for (size_t i = 0; i < 100; ++i) ASSERT_TRUE(HasPattern(blocks[i], 100, i));
  FreeAll(blocks);
  CheckHeap();
  EXPECT_EQ(g_central_heap.Counts().blocks, 0U);
}

CORE_TEST(Break, StepsFollowTheHeapsSize) {
  for (int i = 0; i < 64; ++i) AllocateMany(60000, 100);
  // 400 MB; with steps of one block that would be 800 calls.
  EXPECT_LE(fake_os::Count(Call::kGrowBreak), 100U);
}

CORE_TEST(Break, FreedMemoryIsUsedBeforeTheHeapGrows) {
  FreeAll(AllocateMany(kMiB, 50));
  const uintptr_t top = fake_os::BreakNow();
  for (int round = 0; round < 10; ++round) {
    FreeAll(AllocateMany(kMiB, 50));
    FreeAll(AllocateMany(100000, 300));
    CheckHeap();
  }
  EXPECT_EQ(fake_os::BreakNow(), top);
}

// ---- others move the break ----

TEST(ForeignBreak, LeavesGapsOfAnySize) {
  for (const size_t bytes :
       {size_t{1}, size_t{100}, kGranuleSize - 1, kGranuleSize,
        3 * kGranuleSize + 5, 10 * kMiB, kArenaSize, 50 * kMiB + 7}) {
    SCOPED_TRACE(bytes);
    RunInFreshProcess([bytes] {
      LiveBlocks live;
      fake_os::ForeignSbrk(bytes);
      for (int i = 0; i < 6; ++i) {
        for (int j = 0; j < 4; ++j) live.Add(2 * kMiB + 100);
        CheckHeap();
        fake_os::ForeignSbrk(bytes);
        CheckHeap();
      }
      EXPECT_EQ(fake_os::MappedBytes(), 0U);
    });
  }
}

// The gap that stands in an arena of ours is nobody's block.
CORE_TEST(ForeignBreak, GapStaysOutOfTheCounts) {
  void* first = Allocate(100);
  const size_t backed = g_central_heap.Counts().backed_bytes;
  const uintptr_t top = fake_os::BreakNow();
  fake_os::ForeignSbrk(10 * kGranuleSize + 1);
  void* second = Allocate(2 * kMiB);
  ASSERT_EQ(ArenaOf(reinterpret_cast<uintptr_t>(first)),
            ArenaOf(reinterpret_cast<uintptr_t>(second)))
      << "the gap is inside an arena";
  CheckHeap();
  const uintptr_t resumed = top + 11 * kGranuleSize;
  EXPECT_EQ(g_central_heap.Counts().backed_bytes - backed,
            fake_os::BreakNow() - resumed);
}

TEST(ForeignBreak, MayMoveBetweenTheLookAndTheCall) {
  for (const size_t bytes :
       {size_t{16}, kGranuleSize, 5 * kMiB, kArenaSize + 3}) {
    for (const int times : {1, 2, 3, 100}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes x " << times);
      RunInFreshProcess([bytes, times] {
        LiveBlocks live;
        live.Add(100);
        int left = times;
        std::function<void()> meddle = [&] {
          fake_os::ForeignSbrk(bytes);
          if (--left > 0) fake_os::Before(Call::kGrowBreak, meddle);
        };
        fake_os::Before(Call::kGrowBreak, meddle);
        for (int i = 0; i < 12; ++i) {
          live.Add(3 * kMiB);
          CheckHeap();
        }
        EXPECT_LT(left, times) << "nobody meddled";
      });
    }
  }
}

CORE_TEST(ForeignBreak, RandomMovesAmongRandomBlocks) {
  std::mt19937_64 random(7);
  LiveBlocks live;
  for (int step = 0; step < 400; ++step) {
    const uint64_t what = random() % 10;
    if (what < 5 || live.size() == 0) {
      live.Add(1 + random() % (size_t{1} << (4 + random() % 19)));
    } else if (what < 8) {
      live.FreeOne(random() % live.size());
    } else if (what < 9) {
      fake_os::ForeignSbrk(1 + random() % (step % 8 == 0 ? kArenaSize : 70000));
    } else {
      fake_os::Before(Call::kGrowBreak, [bytes = 1 + random() % 200000] {
        fake_os::ForeignSbrk(bytes);
      });
    }
    CheckHeap();
  }
}

// ---- no break ----

CORE_TEST(NoBreak, RefusedBreakMeansMappedArenas) {
  fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
  UseTheHeap();
  EXPECT_EQ(fake_os::BreakNow() % kArenaSize, 0x1234U) << "as it was";
  EXPECT_GE(fake_os::MappedBytes(), 2 * kArenaSize);
}

CORE_TEST(NoBreak, ABreakThatCannotBeReadIsNotMoved) {
  fake_os::Fail(Call::kCurrentBreak, 1, fake_os::kForEver);
  UseTheHeap();
  EXPECT_EQ(fake_os::Count(Call::kGrowBreak), 0U);
  EXPECT_GE(fake_os::MappedBytes(), 2 * kArenaSize);
}

CORE_TEST(NoBreak, MappedArenasAreCommittedStepByStep) {
  fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
  ASSERT_NE(Allocate(100), nullptr);
  EXPECT_EQ(fake_os::MappedBytes(), kArenaSize);
  EXPECT_LE(fake_os::UsableBytes(), 4 * kMiB);
  const uintptr_t first = ArenaOf(reinterpret_cast<uintptr_t>(Allocate(100)));
  EXPECT_EQ(ArenaOf(reinterpret_cast<uintptr_t>(Allocate(6 * kMiB))), first);
  EXPECT_EQ(ArenaOf(reinterpret_cast<uintptr_t>(Allocate(6 * kMiB))), first);
  EXPECT_EQ(fake_os::MappedBytes(), kArenaSize);
}

// Near a limit each step is refused and the bare need is not: that must not
// cost an arena each time.
CORE_TEST(NoBreak, ARefusedStepKeepsTheArena) {
  fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
  ASSERT_NE(Allocate(100), nullptr);
  for (int i = 0; i < 3; ++i) {
    fake_os::Fail(Call::kCommit, 1);
    ASSERT_NE(Allocate(3 * kMiB), nullptr);
    CheckHeap();
  }
  EXPECT_EQ(g_central_heap.Counts().arenas, 1U);
  EXPECT_EQ(fake_os::MappedBytes(), kArenaSize);
}

CORE_TEST(NoBreak, ARefusedArenaLeavesTheLastOneItsRest) {
  fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
  AllocateMany(6 * kMiB, 2);
  fake_os::Fail(Call::kCommit, 1, 2);
  ASSERT_EQ(Allocate(6 * kMiB), nullptr);
  EXPECT_EQ(fake_os::MappedBytes(), kArenaSize);
  AllocateMany(kMiB, 3);
  EXPECT_EQ(g_central_heap.Counts().arenas, 1U);
}

// What a kernel that leaves holes took away is another arena's or nobody's.
CORE_TEST(NoBreak, AHoleInAnArenaIsNotTouchedAgain) {
  fake_os::RefusalsLeaveHoles();
  fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
  ASSERT_NE(Allocate(100), nullptr);
  const size_t usable = fake_os::UsableBytes();
  fake_os::Fail(Call::kCommit, 1);
  void* block = Allocate(3 * kMiB);
  ASSERT_NE(block, nullptr) << "in an arena of its own";
  CheckHeap();
  EXPECT_GT(fake_os::TakeLostPages(), 0U);
  EXPECT_EQ(fake_os::MappedBytes(), usable + kArenaSize)
      << "what lay behind the hole was given back";
  Free(block);
  EXPECT_TRUE(g_central_heap.GiveBack());
  CheckHeap();
}

// Something stands above the break: the break as far as it goes, then mappings,
// then the break again.
CORE_TEST(NoBreak, BothKindsOfArenasTogether) {
  LiveBlocks live;
  live.Add(100);
  fake_os::LimitBreak(5 * kMiB);
  for (int i = 0; i < 20; ++i) {
    live.Add(2 * kMiB);
    CheckHeap();
  }
  EXPECT_GE(fake_os::MappedBytes(), kArenaSize);
  fake_os::EndShortage();
  const size_t mapped = fake_os::MappedBytes();
  for (int i = 0; i < 20; ++i) {
    live.Add(2 * kMiB);
    CheckHeap();
  }
  EXPECT_EQ(fake_os::MappedBytes(), mapped);
}

// ---- pages of other sizes ----

TEST(PageSize, OfAnyMachineWillDo) {
  for (const size_t page : {size_t{4096}, size_t{16384}, size_t{65536}}) {
    SCOPED_TRACE(page);
    RunInFreshProcess([page] {
      fake_os::SetPageSize(page);
      UseTheHeap();
      fake_os::Fail(Call::kGrowBreak, 1, fake_os::kForEver);
      std::vector<void*> blocks = AllocateMany(3 * kMiB, 20);
      void* huge = Allocate(20 * kMiB + 1);
      ASSERT_NE(huge, nullptr);
      Fill(huge, 20 * kMiB + 1, 1);
      huge = Reallocate(huge, 33 * kMiB + 1);
      ASSERT_NE(huge, nullptr);
      EXPECT_TRUE(HasPattern(huge, 20 * kMiB + 1, 1));
      CheckHeap();
      huge = Reallocate(huge, 19 * kMiB + 1);
      EXPECT_TRUE(HasPattern(huge, 19 * kMiB + 1, 1, 20 * kMiB + 1));
      Free(huge);
      FreeAll(blocks);
    });
  }
}

}  // namespace
}  // namespace memalloc
