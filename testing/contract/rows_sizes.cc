// Rows about what sizes give: zero, everything up to the possible, and the
// impossible. An impossible request must fail with ENOMEM (or bad_alloc), not
// wrap around to a small block: every constant that an allocator adds to a size
// is a chance to overflow, so each of them and its neighbours is tried below
// SIZE_MAX and around PTRDIFF_MAX, through every entry. Single-threaded.

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <set>
#include <vector>

#include "testing/contract/allocator_in_charge.h"
#include "testing/contract/pattern.h"
#include "testing/contract/rows.h"

namespace contract {

void AllocatorIsTheExpectedOne(const Entry&) {
  EXPECT_EQ(MemallocInCharge(), kExpectMemalloc);
}

void SymbolsThatLibcLacksExist(const Entry&) {
  EXPECT_TRUE(free_sized != nullptr);
  EXPECT_TRUE(free_aligned_sized != nullptr);
  EXPECT_TRUE(cfree != nullptr);
  EXPECT_TRUE(__posix_memalign != nullptr);
}

void LibcLacksSymbols(const Entry&) {
  EXPECT_TRUE(free_sized == nullptr);
  EXPECT_TRUE(free_aligned_sized == nullptr);
  EXPECT_TRUE(__posix_memalign == nullptr);
}

void ResultIsOwnedByWhoIsInCharge(const Entry& entry) {
  for (size_t size : TypicalSizes(size_t{48} << 20, entry)) {
    const Outcome outcome = entry.allocate(size);
    ASSERT_NE(outcome.pointer, nullptr) << size;
    EXPECT_EQ(OwnedByMemalloc(outcome.pointer), kExpectMemalloc) << size;
    entry.release(outcome.pointer, size);
  }
}

void ZeroSizeIsUniqueAndFreeable(const Entry& entry) {
  constexpr size_t kBlocks = 100;
  std::set<void*> blocks;
  for (size_t i = 0; i < kBlocks; ++i) {
    for (size_t size : {0, 1}) {
      const Outcome outcome = entry.allocate(size);
      ASSERT_NE(outcome.pointer, nullptr);
      EXPECT_TRUE(blocks.insert(outcome.pointer).second)
          << "given twice: " << outcome.pointer;
      if (size == 1) entry.release(outcome.pointer, size);
      if (size == 1) blocks.erase(outcome.pointer);
    }
  }
  for (void* block : blocks) entry.release(block, 0);
}

void CallocOfZeroIsUniqueAndFreeable(const Entry&) {
  struct Product {
    size_t count;
    size_t size;
  };
  std::set<void*> blocks;
  for (const Product& p :
       {Product{0, 0}, Product{0, 1}, Product{1, 0}, Product{0, SIZE_MAX},
        Product{SIZE_MAX, 0}, Product{0, 4096}, Product{4096, 0}}) {
    void* block = calloc(Opaque(p.count), Opaque(p.size));
    ASSERT_NE(block, nullptr) << p.count << " * " << p.size;
    EXPECT_TRUE(blocks.insert(block).second);
    void* array = reallocarray(nullptr, Opaque(p.count), Opaque(p.size));
    ASSERT_NE(array, nullptr) << p.count << " * " << p.size;
    EXPECT_TRUE(blocks.insert(array).second);
  }
  for (void* block : blocks) free(block);
}

void ImpossibleSizeFails(const Entry& entry) {
  for (size_t size : ImpossibleSizes()) {
    const Outcome outcome = entry.allocate(size);
    EXPECT_EQ(outcome.pointer, nullptr) << size;
    EXPECT_EQ(outcome.error, ENOMEM) << size;
    EXPECT_EQ(outcome.threw_bad_alloc, entry.throws) << size;
    if (outcome.pointer != nullptr) entry.release(outcome.pointer, size);
  }
}

void EverySizeNearTheEndFails(const Entry&) {
  // Each constant that is added to a size, and each mask that rounds it, has
  // its place among these.
  constexpr size_t kReach = 70000;
  using Call = void* (*)(size_t size);
  static void* kept;
  kept = malloc(100);
  for (Call call :
       {Call{[](size_t n) { return malloc(n); }},
        Call{[](size_t n) { return calloc(1, n); }},
        Call{[](size_t n) { return realloc(kept, n); }},
        Call{[](size_t n) { return aligned_alloc(64, n); }},
        Call{[](size_t n) { return memalign(65536, n); }},
        Call{[](size_t n) { return pvalloc(n); }},
        Call{[](size_t n) { return ::operator new(n, std::nothrow); }}}) {
    for (size_t end : {SIZE_MAX, size_t{PTRDIFF_MAX} + kReach / 2}) {
      for (size_t k = 0; k < kReach; ++k) {
        errno = 0;
        void* block = call(end - k);
        ASSERT_EQ(block, nullptr) << end << " - " << k;
        ASSERT_EQ(errno, ENOMEM) << end << " - " << k;
      }
    }
  }
  free(kept);
}

void LibcAlignedNewWrapsAround(const Entry& entry) {
  for (size_t size : ImpossibleSizes()) {
    const Outcome outcome = entry.allocate(size);
    const bool wraps = size > SIZE_MAX - entry.alignment + 1;
    EXPECT_EQ(outcome.pointer != nullptr, wraps) << size;
    EXPECT_EQ(outcome.threw_bad_alloc, entry.throws && !wraps) << size;
    EXPECT_EQ(outcome.error == ENOMEM, !wraps) << size;
    // Not with the size: what was allocated is smaller.
    free(outcome.pointer);
  }
}

void ImpossibleCountTimesSizeFails(const Entry&) {
  constexpr size_t kHalf = size_t{1} << 32;
  const std::vector<std::pair<size_t, size_t>> products = {
      {SIZE_MAX, 2},
      {SIZE_MAX, SIZE_MAX},
      {SIZE_MAX / 2 + 1, 2},    // the product is 0
      {kHalf, kHalf},           // 0
      {kHalf + 1, kHalf},       // 2^32
      {kHalf + 1, kHalf - 1},   // SIZE_MAX
      {kHalf - 1, kHalf - 1},   // no overflow, still impossible
      {SIZE_MAX / 3 + 1, 3},    // 2
      {SIZE_MAX / 16 + 2, 16},  // 16
      {SIZE_MAX / 24 + 1, 24},  // 8
      {SIZE_MAX / 4096 + 2, 4096},
      {SIZE_MAX / 65536 + 2, 65536},
      {SIZE_MAX / (16 << 20) + 2, 16 << 20},
      {size_t{PTRDIFF_MAX} / 2 + 1, 2},
      {size_t{PTRDIFF_MAX} / 8 + 1, 8},
  };
  for (const auto& [count, size] : products) {
    for (const auto& [a, b] :
         {std::pair(count, size), std::pair(size, count)}) {
      SCOPED_TRACE(testing::Message() << a << " * " << b);
      errno = 0;
      void* zeroed = calloc(Opaque(a), Opaque(b));
      EXPECT_EQ(zeroed, nullptr);
      EXPECT_EQ(errno, ENOMEM);
      free(zeroed);
      errno = 0;
      void* array = reallocarray(nullptr, Opaque(a), Opaque(b));
      EXPECT_EQ(array, nullptr);
      EXPECT_EQ(errno, ENOMEM);
      free(array);
    }
  }
}

void FailureLeavesHeapUsable(const Entry& entry) {
  struct Block {
    void* pointer;
    size_t size;
    uint64_t seed;
  };
  std::vector<Block> blocks;
  for (size_t size : TypicalSizes(size_t{1} << 20, entry)) {
    const Outcome failed = entry.allocate(size_t{PTRDIFF_MAX} - size);
    ASSERT_EQ(failed.pointer, nullptr);
    const Outcome outcome = entry.allocate(size);
    ASSERT_NE(outcome.pointer, nullptr) << size;
    const uint64_t seed = BlockSeed(outcome.pointer, size, blocks.size());
    FillPattern(outcome.pointer, size, seed);
    blocks.push_back({outcome.pointer, size, seed});
  }
  for (const Block& b : blocks) {
    EXPECT_EQ(FindDamage(b.pointer, b.size, b.size, b.seed), b.size);
    entry.release(b.pointer, b.size);
  }
}

}  // namespace contract
