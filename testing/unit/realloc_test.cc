// Realloc from every kind of block to every other, contents kept; and at
// random beside a model.

#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;

// Sizes around every border between kinds.
const std::vector<size_t>& BorderSizes() {
  static const std::vector<size_t> sizes = {
      1,
      15,
      16,
      17,
      200,
      1024,
      1025,
      4097,
      kMaxSmallSize - 1,
      kMaxSmallSize,
      kMaxSmallSize + 1,
      2 * kGranuleSize,
      2 * kGranuleSize + 1,
      kMiB,
      kMaxLargeSize,
      kMaxLargeSize + 1,
      kArenaSize + 1,
  };
  return sizes;
}

// How the block to be resized was made.
using Make = void* (*)(size_t size);
void* MakePlain(size_t size) { return Allocate(size); }
void* MakeZeroed(size_t size) { return AllocateZeroed(size); }
template <size_t alignment>
void* MakeAligned(size_t size) {
  return AllocateAligned(size, alignment);
}

void FromTo(Make make, size_t from, size_t to) {
  void* block = make(from);
  ASSERT_NE(block, nullptr);
  Fill(block, from, to);
  void* neighbour = make(from);
  Fill(neighbour, Min(from, kGranuleSize), 7);
  void* resized = Reallocate(block, to);
  ASSERT_NE(resized, nullptr);
  ASSERT_GE(UsableSize(resized), to);
  ASSERT_TRUE(HasPattern(resized, Min(from, to), to, from));
  Fill(resized, to, 8);
  CheckHeap();
  void* back = Reallocate(resized, from);
  ASSERT_TRUE(HasPattern(back, Min(from, to), 8, to)) << "and back";
  ASSERT_TRUE(HasPattern(neighbour, Min(from, kGranuleSize), 7));
  Free(back);
  Free(neighbour);
  CheckHeap();
}

void FromEachToEach(Make make, const std::vector<size_t>& from_sizes) {
  RunInFreshProcess([&] {
    for (const size_t from : from_sizes) {
      for (const size_t to : BorderSizes()) {
        SCOPED_TRACE(testing::Message() << from << " to " << to);
        FromTo(make, from, to);
      }
    }
  });
}

// One of each kind.
const std::vector<size_t> kKinds = {100, 30000, 3 * kMiB, 20 * kMiB};

TEST(Realloc, FromEachKindToEach) { FromEachToEach(&MakePlain, BorderSizes()); }
TEST(Realloc, FromZeroedBlocksToEach) { FromEachToEach(&MakeZeroed, kKinds); }
TEST(Realloc, FromPageAlignedBlocksToEach) {
  FromEachToEach(&MakeAligned<4096>, kKinds);
}
TEST(Realloc, FromMegabyteAlignedBlocksToEach) {
  FromEachToEach(&MakeAligned<kMiB>, kKinds);
}
TEST(Realloc, FromArenaAlignedBlocksToEach) {
  FromEachToEach(&MakeAligned<2 * kArenaSize>, kKinds);
}

// A cell stays where it is while most of it is used, and moves to a smaller one
// at last.
CORE_TEST(Realloc, ACellStaysWhileItIsWellUsed) {
  for (const size_t size : {64UL, 100UL, 1000UL, 10000UL, 60000UL}) {
    void* cell = Allocate(size);
    const size_t usable = UsableSize(cell);
    for (size_t to = usable; to > usable - usable / 4; --to) {
      ASSERT_EQ(Reallocate(cell, to), cell) << to;
    }
    void* moved = Reallocate(cell, usable / 4);
    EXPECT_NE(moved, cell);
    EXPECT_LE(UsableSize(moved), usable / 2);
  }
}

// Growing by 8 bytes a step: the work is in proportion to the final size, not
// to its square.
CORE_TEST(Realloc, GrowingByEightIsAmortised) {
  void* block = Allocate(8);
  size_t copied = 0;
  size_t size = 8;
  uint64_t word = 1;
  for (; size < 2 * kMiB; size += 8) {
    memcpy(static_cast<char*>(block) + size - 8, &word, 8);
    word = word * 31 + 7;
    void* moved = Reallocate(block, size + 8);
    ASSERT_NE(moved, nullptr);
    if (moved != block) copied += size;
    block = moved;
  }
  EXPECT_LE(copied, 20 * size);
  word = 1;
  for (size_t i = 0; i < size - 8; i += 8) {
    ASSERT_EQ(memcmp(static_cast<char*>(block) + i, &word, 8), 0) << i;
    word = word * 31 + 7;
  }
}

CORE_TEST(Realloc, RandomSizesKeepContents) {
  std::mt19937_64 random(11);
  struct Live {
    void* block;
    size_t size;
    uint64_t seed;
  };
  std::vector<Live> live;
  const auto random_size = [&] {
    return 1 + random() % (size_t{1} << (4 + random() % 21));
  };
  for (int step = 0; step < 2500; ++step) {
    const uint64_t what = random() % 10;
    if (live.size() < 20 || (what < 2 && live.size() < 60)) {
      const size_t size = random_size();
      live.push_back({Allocate(size), size, random()});
      ASSERT_NE(live.back().block, nullptr);
      Fill(live.back().block, size, live.back().seed);
    } else if (what < 8) {
      Live& one = live[random() % live.size()];
      const size_t size = what < 5 ? random_size() : one.size + random() % 5000;
      void* resized = Reallocate(one.block, size);
      ASSERT_NE(resized, nullptr);
      ASSERT_TRUE(HasPattern(resized, Min(size, one.size), one.seed, one.size));
      Fill(resized, size, one.seed);
      one.block = resized;
      one.size = size;
    } else {
      const size_t index = random() % live.size();
      ASSERT_TRUE(
          HasPattern(live[index].block, live[index].size, live[index].seed));
      Free(live[index].block);
      live[index] = live.back();
      live.pop_back();
    }
    CheckHeap();
  }
  for (const Live& one : live) {
    ASSERT_TRUE(HasPattern(one.block, one.size, one.seed));
    Free(one.block);
  }
}

// Another thread may resize what it did not allocate.
CORE_TEST(Realloc, OfAnotherThreadsBlock) {
  for (const size_t size : BorderSizes()) {
    void* block = Allocate(size);
    Fill(block, size, 3);
    Worker worker;
    worker.Do([&] {
      block = Reallocate(block, 2 * size);
      EXPECT_TRUE(HasPattern(block, size, 3));
      Fill(block, 2 * size, 4);
      CheckHeap();
    });
    block = Reallocate(block, size);
    EXPECT_TRUE(HasPattern(block, size, 4, 2 * size));
    Free(block);
    CheckHeap();
  }
}

CORE_TEST(Realloc, FailsWithTheOldBlockAsItWas) {
  for (const size_t size : BorderSizes()) {
    void* block = Allocate(size);
    Fill(block, size, 3);
    EXPECT_EQ(Reallocate(block, kMaxRequest), nullptr);
    EXPECT_EQ(Reallocate(block, kMaxRequest + 1), nullptr);
    EXPECT_EQ(Reallocate(block, SIZE_MAX), nullptr);
    fake_os::FailAny(1, fake_os::kForEver);
    EXPECT_EQ(Reallocate(block, 200 * kMiB), nullptr);
    fake_os::EndShortage();
    EXPECT_TRUE(HasPattern(block, size, 3));
    CheckHeap();
    Free(block);
  }
}

// A smaller size is never refused.
CORE_TEST(Realloc, ShrinkingCannotFail) {
  for (const size_t size : BorderSizes()) {
    void* block = Allocate(size);
    Fill(block, size, 3);
    fake_os::FailAny(1, fake_os::kForEver);
    block = Reallocate(block, 1 + size / 10);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(HasPattern(block, 1 + size / 10, 3, size));
    fake_os::EndShortage();
    CheckHeap();
    Free(block);
  }
}

}  // namespace
}  // namespace memalloc
