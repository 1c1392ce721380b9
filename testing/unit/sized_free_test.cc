// Frees that tell a size or an alignment: every right one is taken, and a wrong
// one that can be told is named.

#include "memalloc/heap/sized_free.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;
constexpr char kCall[] = "free_sized";

void ExpectSizeMismatch(const void* pointer, size_t size, size_t bytes) {
  ExpectMisuse(kCall, pointer,
               "the size is " + std::to_string(size) +
                   ", but the allocation has " + std::to_string(bytes) +
                   " bytes",
               "size-mismatch");
}

// ---- what is right ----

CORE_TEST(SizedFree, TakesEverySizeThatWasAskedFor) {
  for (size_t size = 0; size <= kMaxSmallSize; ++size) {
    FreeSized(Allocate(size), size, kCall);
  }
  for (const size_t size : {kMaxSmallSize + 1, kMiB - 1, kMaxLargeSize,
                            kMaxLargeSize + 1, 40 * kMiB}) {
    FreeSized(Allocate(size), size, kCall);
  }
  FreeSized(nullptr, 100, kCall);
}

// In cells of several granules the fast path finds the header of a later one.
CORE_TEST(SizedFree, TakesCellsInEachGranuleOfABlock) {
  for (const size_t size : {size_t{9000}, size_t{33333}, kMaxSmallSize}) {
    for (void* cell : AllocateMany(size, 20)) FreeSized(cell, size, kCall);
  }
}

CORE_TEST(SizedFree, TakesThoseOfOtherThreads) {
  const std::vector<void*> cells = AllocateMany(40, 100);
  Worker worker;
  worker.Do([&] {
    for (void* cell : cells) FreeSized(cell, 40, kCall);
  });
}

// realloc in place keeps cells for less, and moves to more, than was asked for.
CORE_TEST(SizedFree, TakesTheSizeOfTheLastRealloc) {
  std::mt19937_64 random(1);
  auto any_size = [&random] {
    return 1 + random() % (size_t{1} << (2 + random() % 17));
  };
  for (int i = 0; i < 200000; ++i) {
    size_t size = any_size();
    void* block = i % 4 == 0 ? AllocateAligned(size, size_t{16} << random() % 9)
                             : Allocate(size);
    for (size_t steps = random() % 4; steps > 0; --steps) {
      // Near it, or anywhere.
      size = random() % 2 == 0 ? size - size / 8 + random() % (size / 4 + 1)
                               : any_size();
      size += size == 0;
      block = Reallocate(block, size);
    }
    FreeSized(block, size, kCall);
  }
}

// A realloc to less that finds no memory leaves the block as it is.
CORE_TEST(SizedFree, TakesTheSizeOfAReallocThatCouldNotMove) {
  void* cell = Allocate(5000);
  TakeFreeGranules();
  fake_os::FailAny(1, SIZE_MAX);
  ASSERT_EQ(Reallocate(cell, 20), cell);
  fake_os::EndShortage();
  FreeSized(cell, 20, kCall);
}

CORE_TEST(SizedFree, TakesTheSizeThatMemalignRoundedUp) {
  for (size_t alignment = 1; alignment <= 2 * kGranuleSize; alignment *= 2) {
    for (const size_t size : {0UL, 1UL, 17UL, 700UL, 5000UL, 70000UL}) {
      FreeSized(AllocateAligned(size, alignment), size, kCall);
      FreeAlignedSized(AllocateAligned(size, alignment), alignment, size,
                       kCall);
      FreeAligned(AllocateAligned(size, alignment), alignment, kCall);
    }
  }
  FreeAligned(nullptr, 64, kCall);
  FreeAlignedSized(nullptr, 64, 100, kCall);
}

// ---- what is wrong ----

struct WrongSize {
  size_t allocated;
  size_t bytes;  // that the allocation has
  size_t size;   // told to free
};

TEST(SizeMismatch, IsNamed) {
  const WrongSize cases[] = {
      // Too large.
      {16, 16, 17},
      {100, 112, 113},
      {100, 112, SIZE_MAX / 2},
      {50000, 53248, 53249},
      {kMiB, kMiB, kMiB + 1},
      {20 * kMiB, 20 * kMiB, 20 * kMiB + 1},
      // Too small: an object of a base class, the first of an array.
      {64, 64, 31},
      {100, 112, 55},
      {100, 112, 0},
      {8192, 8192, 4095},
      {60000, 61440, 1},
  };
  for (const WrongSize& c : cases) {
    SCOPED_TRACE(testing::Message() << c.allocated << ", " << c.size);
    RunUntilAbort([&c] {
      void* pointer = Allocate(c.allocated);
      ExpectSizeMismatch(pointer, c.size, c.bytes);
      FreeSized(pointer, c.size, kCall);
    });
  }
}

// Its header is not what blocks of 1000 left there.
TEST(SizeMismatch, OfACellInALaterGranule) {
  RunUntilAbort([] {
    FreeAll(AllocateMany(1000, 2000));
    const std::vector<void*> cells = AllocateMany(kMaxSmallSize, 3);
    ExpectSizeMismatch(cells[2], 1000, kMaxSmallSize);
    FreeSized(cells[2], 1000, kCall);
  });
}

TEST(SizeMismatch, OfACellOfAnotherThread) {
  RunUntilAbort([] {
    const std::vector<void*> cells = AllocateMany(64, 2);
    Worker worker;
    worker.Do([&] {
      Allocate(64);
      Free(cells[0]);  // opens a batch
      ExpectSizeMismatch(cells[1], 8, 64);
      FreeSized(cells[1], 8, kCall);
    });
  });
}

// Where memalign rounded sizes up, small ones are taken; larger ones are not.
TEST(SizeMismatch, OfAClassWithRoomyCells) {
  RunUntilAbort([] {
    Free(AllocateAligned(8, 256));
    FreeSized(Allocate(256), 8, kCall);
    void* other = Allocate(128);
    ExpectSizeMismatch(other, 8, 128);
    FreeSized(other, 8, kCall);
  });
  RunUntilAbort([] {
    void* cell = AllocateAligned(8, 256);
    ExpectSizeMismatch(cell, 257, 256);
    FreeSized(cell, 257, kCall);
  });
}

TEST(SizeMismatch, OfTheRoundedSize) {
  RunUntilAbort([] {
    void* cell = AllocateAligned(200, 64);
    // 65 is rounded up to 128.
    FreeAlignedSized(AllocateAligned(65, 64), 64, 65, kCall);
    ExpectSizeMismatch(cell, 64, 256);
    FreeAlignedSized(cell, 64, 40, kCall);
  });
}

TEST(SizeMismatch, OfTheAlignment) {
  for (const bool has_size : {false, true}) {
    RunUntilAbort([has_size] {
      const std::vector<void*> cells = AllocateMany(48, 2);
      ExpectMisuse(kCall, cells[1], "not aligned as the call says",
                   "size-mismatch");
      if (has_size) {
        FreeAlignedSized(cells[1], 64, 48, kCall);
      } else {
        FreeAligned(cells[1], 64, kCall);
      }
    });
  }
}

// The pointer is looked at before the size.
TEST(SizeMismatch, IsNotSaidOfPointersThatAreNone) {
  RunUntilAbort([] {
    char* pointer = static_cast<char*>(Allocate(kMiB)) + 64;
    ExpectMisuse(kCall, pointer, "not the start of an allocation",
                 "interior-pointer");
    FreeSized(pointer, 3 * kMiB, kCall);
  });
  RunUntilAbort([] {
    alignas(16) static char in_data[64];
    ExpectMisuse(kCall, in_data, "not a pointer from memalloc",
                 "foreign-pointer");
    FreeSized(in_data, 64, kCall);
  });
}

}  // namespace
}  // namespace memalloc
