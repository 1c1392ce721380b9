// Rows about calloc: zero whatever the memory was before. An allocator that
// skips clearing memory "known to be fresh" must not be wrong about it after
// the block was dirtied, shrunk, grown, trimmed or freed by another thread, for
// cells, runs and mappings alike. Everything is dirtied with 0xa5 to its last
// usable byte first.

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "testing/contract/pattern.h"
#include "testing/contract/rows.h"

namespace contract {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
// The largest block of an arena; larger ones have mappings of their own.
constexpr size_t kMostLarge = 8 * kMiB - 64 * kKiB;

const std::vector<size_t>& Sizes() {
  static const auto* sizes = new std::vector<size_t>{1,          16,
                                                     100,        256,
                                                     1000,       4096,
                                                     5000,       40 * kKiB,
                                                     64 * kKiB,  64 * kKiB + 1,
                                                     100 * kKiB, 300 * kKiB,
                                                     kMiB,       5 * kMiB,
                                                     kMostLarge, kMostLarge + 1,
                                                     8 * kMiB,   20 * kMiB};
  return *sizes;
}

// How many blocks that span `size` bytes make a few pages or runs.
size_t CountFor(size_t size) {
  return std::clamp(100 * kKiB / size, size_t{3}, size_t{600});
}

void Dirty(void* block) { std::memset(block, 0xa5, malloc_usable_size(block)); }

// Obtains blocks of `size` by calloc, which must be zero, and dirties them.
std::vector<void*> TakeZeroed(size_t size, size_t count) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < count; ++i) {
    void* block =
        i % 2 == 0 ? calloc(1, Opaque(size)) : calloc(Opaque(size), 1);
    if (block == nullptr || FindNonZero(block, size) != size) {
      ADD_FAILURE() << "calloc of " << size << ": byte "
                    << (block == nullptr ? 0 : FindNonZero(block, size))
                    << " is not zero, or null";
    }
    if (block == nullptr) break;
    Dirty(block);
    blocks.push_back(block);
  }
  return blocks;
}

}  // namespace

void CallocZeroesDirtyMemory(const Entry& entry) {
  for (size_t size : Sizes()) {
    if (size > 9 * kMiB) break;
    const size_t count = CountFor(std::max(size, entry.alignment));
    // Dirty memory that came through this entry.
    std::vector<void*> blocks;
    for (size_t i = 0; i < count; ++i) {
      const Outcome outcome = entry.allocate(size);
      ASSERT_NE(outcome.pointer, nullptr);
      if (entry.zeroes) {
        EXPECT_EQ(FindNonZero(outcome.pointer, size), size);
      }
      Dirty(outcome.pointer);
      blocks.push_back(outcome.pointer);
    }
    for (void* block : blocks) entry.release(block, size);
    // The same size again, then a smaller and a larger one out of what is left.
    for (size_t wanted : {size, size / 2 + 1, size + size / 4}) {
      for (void* block : TakeZeroed(wanted, CountFor(wanted))) free(block);
    }
  }
}

void CallocZeroesAfterTrim(const Entry&) {
  for (size_t size : Sizes()) {
    for (int round = 0; round < 3; ++round) {
      std::vector<void*> blocks = TakeZeroed(size, CountFor(size));
      // A block between stays, so that not the whole heap becomes empty.
      for (size_t i = 0; i < blocks.size(); ++i) {
        if (i % 3 != 1) free(blocks[i]);
      }
      malloc_trim(0);
      std::vector<void*> again = TakeZeroed(size, CountFor(size));
      for (size_t i = 0; i < blocks.size(); ++i) {
        if (i % 3 == 1) free(blocks[i]);
      }
      for (void* block : again) free(block);
      malloc_trim(0);
    }
  }
}

void CallocZeroesWhatReallocLeft(const Entry&) {
  for (size_t from : Sizes()) {
    for (size_t to : Sizes()) {
      void* block = calloc(1, from);
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(FindNonZero(block, from), from);
      Dirty(block);
      // Shrinking leaves dirty memory behind; growing moves or takes more.
      block = realloc(block, Opaque(to));
      ASSERT_NE(block, nullptr);
      Dirty(block);
      void* other = calloc(1, from);
      ASSERT_NE(other, nullptr);
      EXPECT_EQ(FindNonZero(other, from), from) << from << " -> " << to;
      Dirty(other);
      free(block);
      void* third = calloc(1, to);
      ASSERT_NE(third, nullptr);
      EXPECT_EQ(FindNonZero(third, to), to) << from << " -> " << to;
      Dirty(third);
      free(other);
      free(third);
    }
  }
}

void CallocZeroesWhatOtherThreadsLeft(const Entry&) {
  for (size_t size : Sizes()) {
    for (int round = 0; round < 3; ++round) {
      // Dirtied there, freed here; dirtied here, freed there; left by the dead.
      std::vector<void*> theirs;
      std::vector<void*> mine = TakeZeroed(size, CountFor(size));
      std::thread([&] {
        theirs = TakeZeroed(size, CountFor(size));
        for (void* block : mine) free(block);
        for (void* block : TakeZeroed(size, CountFor(size))) free(block);
      }).join();
      for (void* block : theirs) free(block);
      for (void* block : TakeZeroed(size, CountFor(size))) free(block);
    }
  }
}

}  // namespace contract
