// Rows about realloc and reallocarray: contents survive every way between small
// cells, large runs, huge mappings and aligned blocks; neighbours are not
// touched; a refusal leaves the old block alone. The sizes stand on both sides
// of each limit between kinds (64 KiB, 8 MiB). Single-threaded.

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "testing/contract/pattern.h"
#include "testing/contract/process_memory.h"
#include "testing/contract/rows.h"

namespace contract {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
// The largest block of an arena; larger ones have mappings of their own.
constexpr size_t kMostLarge = 8 * kMiB - 64 * kKiB;

// Allocates `from` bytes, makes them `to`, and checks the common part.
void MoveBetween(const Entry& entry, size_t from, size_t to) {
  SCOPED_TRACE(testing::Message() << from << " -> " << to);
  const Outcome outcome = entry.allocate(from);
  ASSERT_NE(outcome.pointer, nullptr);
  FillPattern(outcome.pointer, from, from ^ to);
  void* moved = realloc(outcome.pointer, Opaque(to));
  ASSERT_NE(moved, nullptr);
  const size_t common = std::min(from, to);
  EXPECT_EQ(FindDamage(moved, common, from, from ^ to), common);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(moved) % 16, 0u);
  // All of it must be writable.
  EXPECT_GE(malloc_usable_size(moved), to);
  FillPattern(moved, to, to);
  EXPECT_EQ(FindDamage(moved, to, to, to), to);
  free(moved);
}

}  // namespace

void ReallocOfNullIsMalloc(const Entry&) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{100}, 64 * kKiB,
                      64 * kKiB + 1, kMiB, 9 * kMiB}) {
    void* block = realloc(nullptr, Opaque(size));
    ASSERT_NE(block, nullptr) << size;
    FillPattern(block, size, 1);
    EXPECT_EQ(FindDamage(block, size, size, 1), size);
    void* array = reallocarray(nullptr, Opaque(size), 3);
    ASSERT_NE(array, nullptr) << size;
    EXPECT_GE(malloc_usable_size(array), 3 * size);
    free(array);
    free(block);
  }
}

void ReallocToZeroFrees(const Entry&) {
  const size_t before = ResidentBytes();
  for (size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{4096},
                      64 * kKiB, 100 * kKiB, kMiB, 9 * kMiB}) {
    // 1 GiB of each size passes by: kept, it would be noticed.
    const size_t times = std::min(size_t{100000}, 1024 * kMiB / (size + 1));
    for (size_t i = 0; i < times; ++i) {
      void* block = malloc(Opaque(size));
      ASSERT_NE(block, nullptr);
      FillPattern(block, std::min(size, size_t{4096}), i);
      if (size > 0) static_cast<char*>(block)[size - 1] = 'e';
      errno = EILSEQ;
      void* result =
          i % 2 == 0 ? realloc(block, Opaque(0)) : reallocarray(block, 0, 8);
      ASSERT_EQ(result, nullptr);
      ASSERT_EQ(errno, EILSEQ);
    }
  }
  EXPECT_LT(ResidentBytes(), before + 256 * kMiB);
}

void ReallocKeepsContents(const Entry& entry) {
  const size_t sizes[] = {1,    100,     5000, 64 * kKiB, 64 * kKiB + 1,
                          kMiB, 9 * kMiB};
  for (size_t from : sizes) {
    for (size_t to : sizes) MoveBetween(entry, from, to);
  }
}

void ReallocKeepsContentsAtEachLimit(const Entry&) {
  const size_t sizes[] = {1,
                          15,
                          16,
                          17,
                          24,
                          256,
                          257,
                          1000,
                          4096,
                          5000,
                          32 * kKiB,
                          40 * kKiB,
                          64 * kKiB,
                          64 * kKiB + 1,
                          65 * kKiB,
                          128 * kKiB,
                          200 * kKiB,
                          kMiB,
                          3 * kMiB,
                          kMostLarge,
                          kMostLarge + 1,
                          8 * kMiB,
                          16 * kMiB,
                          20 * kMiB,
                          33 * kMiB};
  for (size_t from : sizes) {
    for (size_t to : sizes) MoveBetween(Entries().front(), from, to);
  }
}

void ReallocKeepsNeighbours(const Entry&) {
  struct Block {
    void* pointer;
    size_t size;
    uint64_t seed;
  };
  for (size_t start : {size_t{16}, size_t{300}, 20 * kKiB, 100 * kKiB}) {
    std::vector<Block> blocks;
    for (int i = 0; i < 64; ++i) {
      void* pointer = malloc(start);
      ASSERT_NE(pointer, nullptr);
      const uint64_t seed = BlockSeed(pointer, start, i);
      FillPattern(pointer, start, seed);
      blocks.push_back({pointer, start, seed});
    }
    for (uint64_t step = 0; step < 2000; ++step) {
      Block& b = blocks[Mix(step) % blocks.size()];
      const size_t size = 1 + Mix(step * 7 + start) % (3 * start);
      void* moved = realloc(b.pointer, size);
      ASSERT_NE(moved, nullptr);
      const size_t common = std::min(size, b.size);
      ASSERT_EQ(FindDamage(moved, common, b.size, b.seed), common)
          << "step " << step << ": " << b.size << " -> " << size;
      const uint64_t seed = BlockSeed(moved, size, step);
      FillPattern(moved, size, seed);
      b = {moved, size, seed};
    }
    for (const Block& b : blocks) {
      EXPECT_EQ(FindDamage(b.pointer, b.size, b.size, b.seed), b.size);
      free(b.pointer);
    }
  }
}

void ReallocByEightBytes(const Entry&) {
  // Grown word by word past each limit up to 9 MiB, then shrunk back.
  constexpr size_t kEnd = 9 * kMiB;
  uint64_t* words = nullptr;
  size_t count = 0;
  while (count * 8 < kEnd) {
    words = static_cast<uint64_t*>(realloc(words, (count + 1) * 8));
    ASSERT_NE(words, nullptr) << count;
    words[count] = Mix(count);
    ++count;
  }
  for (size_t i = 0; i < count; ++i) ASSERT_EQ(words[i], Mix(i)) << i;
  while (count > 1) {
    count -= std::min(count - 1, size_t{509});
    words = static_cast<uint64_t*>(realloc(words, count * 8));
    ASSERT_NE(words, nullptr) << count;
    ASSERT_EQ(words[count - 1], Mix(count - 1)) << count;
    ASSERT_EQ(words[count / 2], Mix(count / 2)) << count;
  }
  free(words);
}

void ReallocTooLargeKeepsBlock(const Entry& entry) {
  for (size_t size :
       {size_t{1}, size_t{100}, 64 * kKiB, 100 * kKiB, 9 * kMiB}) {
    const Outcome outcome = entry.allocate(size);
    ASSERT_NE(outcome.pointer, nullptr);
    FillPattern(outcome.pointer, size, size);
    const size_t usable = malloc_usable_size(outcome.pointer);
    for (size_t impossible : ImpossibleSizes()) {
      errno = 0;
      void* moved = realloc(outcome.pointer, Opaque(impossible));
      ASSERT_EQ(moved, nullptr) << impossible;
      ASSERT_EQ(errno, ENOMEM) << impossible;
    }
    EXPECT_EQ(FindDamage(outcome.pointer, size, size, size), size);
    EXPECT_EQ(malloc_usable_size(outcome.pointer), usable);
    entry.release(outcome.pointer, size);
  }
}

void ReallocarrayOverflowKeepsBlock(const Entry&) {
  for (size_t size : {size_t{1}, size_t{100}, 100 * kKiB, 9 * kMiB}) {
    void* block = malloc(size);
    ASSERT_NE(block, nullptr);
    FillPattern(block, size, size);
    for (size_t factor : {size_t{2}, size_t{3}, size_t{16}, size_t{24},
                          size_t{4096}, size_t{65536}, size_t{1} << 32}) {
      for (size_t other : {SIZE_MAX / factor + 1, SIZE_MAX / factor + 2,
                           size_t{PTRDIFF_MAX} / factor + 1, SIZE_MAX}) {
        errno = 0;
        ASSERT_EQ(reallocarray(Opaque(block), Opaque(factor), Opaque(other)),
                  nullptr);
        ASSERT_EQ(errno, ENOMEM) << factor << " * " << other;
        errno = 0;
        ASSERT_EQ(reallocarray(Opaque(block), Opaque(other), Opaque(factor)),
                  nullptr);
        ASSERT_EQ(errno, ENOMEM) << other << " * " << factor;
      }
    }
    EXPECT_EQ(FindDamage(block, size, size, size), size);
    void* grown = reallocarray(block, size, 2);
    ASSERT_NE(grown, nullptr);
    EXPECT_EQ(FindDamage(grown, size, size, size), size);
    free(grown);
  }
}

}  // namespace contract
