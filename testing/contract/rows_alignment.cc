// Rows about where results are: the alignment that was asked for, the 16 bytes
// that every result has anyway, and what happens to alignments that are none.
// Block contents are written and checked, since an aligned block that was
// placed wrongly inside a larger one shows as damage to a neighbour.
// Single-threaded.

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "testing/contract/pattern.h"
#include "testing/contract/rows.h"

namespace contract {
namespace {

constexpr size_t kGiB = size_t{1} << 30;

bool Aligned(const void* pointer, size_t alignment) {
  return reinterpret_cast<uintptr_t>(pointer) % alignment == 0;
}

using AlignedFunction = void* (*)(size_t alignment, size_t size);

void* PosixMemalign(size_t alignment, size_t size) {
  void* pointer = nullptr;
  errno = posix_memalign(&pointer, alignment, size);
  return pointer;
}

constexpr AlignedFunction kAlignedFunctions[] = {aligned_alloc, memalign,
                                                 PosixMemalign};

// Lets posix_memalign fail in both ways. A refused alignment never touches
// errno; after a lack of memory errno must be `errno_without_memory`, and was
// EILSEQ before.
void CheckPosixMemalignErrors(int errno_without_memory) {
  int marker;
  for (size_t alignment : {size_t{0}, size_t{3}, size_t{4}, size_t{24},
                           size_t{8}, size_t{64}, size_t{8192}, kGiB}) {
    const bool valid = alignment >= 8 && alignment != 24;
    for (size_t size : {SIZE_MAX, SIZE_MAX - 4096, size_t{PTRDIFF_MAX},
                        size_t{PTRDIFF_MAX} + 1}) {
      SCOPED_TRACE(testing::Message() << alignment << ", " << size);
      void* pointer = &marker;
      errno = EILSEQ;
      const int status =
          posix_memalign(&pointer, Opaque(alignment), Opaque(size));
      EXPECT_EQ(errno, valid ? errno_without_memory : EILSEQ);
      EXPECT_EQ(status, valid ? ENOMEM : EINVAL);
      EXPECT_EQ(pointer, &marker);
    }
  }
}

}  // namespace

void ResultIsAligned(const Entry& entry) {
  std::vector<std::pair<void*, size_t>> blocks;
  auto check = [&](size_t size) {
    const Outcome outcome = entry.allocate(size);
    ASSERT_NE(outcome.pointer, nullptr) << size;
    EXPECT_TRUE(Aligned(outcome.pointer, entry.alignment))
        << size << ": " << outcome.pointer;
    blocks.emplace_back(outcome.pointer, size);
  };
  for (int round = 0; round < 2; ++round) {
    // Three of each size, so that not only the first of a page is looked at.
    const size_t dense = entry.alignment > 64 * 1024 ? 8 : 1100;
    for (size_t size = 0; size <= dense; ++size) {
      for (int i = 0; i < 3; ++i) check(size);
    }
    for (size_t size : TypicalSizes(size_t{48} << 20, entry)) check(size);
    // The second round gets reused memory.
    for (const auto& [pointer, size] : blocks) entry.release(pointer, size);
    blocks.clear();
  }
}

void AlignmentUpToOneGiB(const Entry&) {
  for (AlignedFunction allocate : kAlignedFunctions) {
    for (size_t alignment = sizeof(void*); alignment <= kGiB; alignment *= 2) {
      for (size_t size :
           {size_t{0}, size_t{1}, size_t{100}, size_t{4096}, size_t{65536},
            alignment / 2, alignment, alignment + 1}) {
        SCOPED_TRACE(testing::Message() << alignment << ", " << size);
        void* first = allocate(alignment, Opaque(size));
        void* second = allocate(alignment, Opaque(size));
        ASSERT_NE(first, nullptr);
        ASSERT_NE(second, nullptr);
        EXPECT_NE(first, second);
        EXPECT_TRUE(Aligned(first, alignment)) << first;
        EXPECT_TRUE(Aligned(second, alignment)) << second;
        EXPECT_TRUE(Aligned(first, 16)) << first;
        // At most the ends of a block that may be a GiB large.
        const size_t written = size < 8192 ? size : 4096;
        FillPattern(first, written, 1);
        FillPattern(second, written, 2);
        if (size > 0) static_cast<char*>(first)[size - 1] = 'e';
        EXPECT_EQ(FindDamage(second, written, written, 2), written);
        free(first);
        EXPECT_EQ(FindDamage(second, written, written, 2), written);
        free(second);
      }
    }
  }
}

void AlignedBlocksDoNotOverlap(const Entry&) {
  struct Block {
    void* pointer;
    size_t size;
    uint64_t seed;
  };
  std::vector<Block> blocks;
  uint64_t number = 0;
  for (int round = 0; round < 3; ++round) {
    for (size_t alignment = 8; alignment <= (size_t{16} << 20);
         alignment *= 2) {
      for (AlignedFunction allocate : kAlignedFunctions) {
        const size_t size = Mix(++number) % (2 * alignment + 200);
        void* pointer = allocate(alignment, size);
        ASSERT_NE(pointer, nullptr);
        ASSERT_TRUE(Aligned(pointer, alignment));
        const uint64_t seed = BlockSeed(pointer, size, number);
        FillPattern(pointer, size, seed);
        blocks.push_back({pointer, size, seed});
      }
    }
    // Every other block goes back, so that the next round fills holes.
    std::vector<Block> kept;
    for (size_t i = 0; i < blocks.size(); ++i) {
      const Block& b = blocks[i];
      EXPECT_EQ(FindDamage(b.pointer, b.size, b.size, b.seed), b.size);
      if (i % 2 == 0) {
        kept.push_back(b);
      } else {
        free(b.pointer);
      }
    }
    blocks = kept;
  }
  for (const Block& b : blocks) {
    EXPECT_EQ(FindDamage(b.pointer, b.size, b.size, b.seed), b.size);
    free(b.pointer);
  }
}

void AlignmentAndSizeOverflow(const Entry&) {
  std::vector<size_t> alignments = {size_t{1} << 47, size_t{1} << 62,
                                    size_t{1} << 63};
  for (size_t alignment = 8; alignment <= kGiB; alignment *= 2) {
    alignments.push_back(alignment);
  }
  for (AlignedFunction allocate : kAlignedFunctions) {
    for (size_t alignment : alignments) {
      std::vector<size_t> sizes = ImpossibleSizes();
      for (size_t k : {size_t{0}, size_t{1}, size_t{64}, size_t{4096},
                       size_t{65536}, size_t{16} << 20}) {
        sizes.push_back(SIZE_MAX - alignment - k);
        sizes.push_back(SIZE_MAX - alignment + k + 1);
        sizes.push_back(size_t{PTRDIFF_MAX} - alignment - k);
      }
      if (alignment > kGiB) sizes = {1, 4096, SIZE_MAX, SIZE_MAX - alignment};
      for (size_t size : sizes) {
        // With the largest alignments some sums come out possible again.
        if (size < (size_t{1} << 47) && alignment <= kGiB) continue;
        SCOPED_TRACE(testing::Message() << alignment << ", " << size);
        errno = 0;
        void* pointer = allocate(alignment, Opaque(size));
        EXPECT_EQ(pointer, nullptr);
        EXPECT_EQ(errno, ENOMEM);
        free(pointer);
      }
    }
  }
}

void PosixMemalignRejectsAlignment(const Entry&) {
  for (size_t alignment :
       {size_t{0}, size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{7},
        size_t{9}, size_t{12}, size_t{24}, size_t{40}, size_t{100},
        size_t{4095}, size_t{4097}, size_t{12288}, (size_t{1} << 63) + 8,
        SIZE_MAX, SIZE_MAX - 7}) {
    for (size_t size : {size_t{0}, size_t{1}, size_t{4096}, SIZE_MAX}) {
      void* pointer = nullptr;
      EXPECT_EQ(posix_memalign(&pointer, Opaque(alignment), Opaque(size)),
                EINVAL)
          << alignment << ", " << size;
      EXPECT_EQ(pointer, nullptr);
    }
  }
}

void PosixMemalignErrorTouchesNothing(const Entry&) {
  CheckPosixMemalignErrors(EILSEQ);
}

void LibcPosixMemalignSetsErrno(const Entry&) {
  CheckPosixMemalignErrors(ENOMEM);
}

void AlignedAllocRejectsNonPowerOfTwo(const Entry&) {
  for (size_t alignment :
       {size_t{0}, size_t{3}, size_t{24}, size_t{40}, size_t{100}, size_t{4095},
        size_t{12288}, (size_t{1} << 63) + 1, SIZE_MAX}) {
    for (size_t size : {size_t{0}, size_t{1}, size_t{4096}, SIZE_MAX}) {
      errno = 0;
      void* pointer = aligned_alloc(Opaque(alignment), Opaque(size));
      EXPECT_EQ(pointer, nullptr) << alignment << ", " << size;
      EXPECT_EQ(errno, EINVAL) << alignment << ", " << size;
      free(pointer);
    }
  }
}

void LibcAlignedAllocRoundsAlignmentUp(const Entry&) {
  for (size_t alignment : {0, 3, 24, 40, 100, 4095, 12288}) {
    void* pointer = aligned_alloc(Opaque(alignment), 100);
    ASSERT_NE(pointer, nullptr) << alignment;
    size_t rounded = 16;
    while (rounded < alignment) rounded *= 2;
    EXPECT_TRUE(Aligned(pointer, rounded)) << alignment;
    free(pointer);
  }
}

void AlignedAllocTakesAnySize(const Entry&) {
  for (size_t alignment : {1, 2, 4, 8, 16, 64, 4096, 65536, 1 << 20}) {
    for (size_t size : {0, 1, 3, 17, 63, 100, 4097, 70000}) {
      void* pointer = aligned_alloc(Opaque(alignment), Opaque(size));
      ASSERT_NE(pointer, nullptr) << alignment << ", " << size;
      EXPECT_TRUE(Aligned(pointer, alignment < 16 ? 16 : alignment));
      EXPECT_GE(malloc_usable_size(pointer), size);
      free(pointer);
    }
  }
}

void MemalignRoundsAlignmentUp(const Entry&) {
  for (size_t alignment : {0,
                           1,
                           2,
                           3,
                           5,
                           15,
                           17,
                           24,
                           33,
                           48,
                           100,
                           1000,
                           4095,
                           4097,
                           12288,
                           65537,
                           100000,
                           (1 << 20) + 1,
                           (16 << 20) - 1,
                           (16 << 20) + 1}) {
    size_t rounded = 16;
    while (rounded < alignment) rounded *= 2;
    for (size_t size : {0, 1, 100, 5000, 100000}) {
      void* pointer = memalign(Opaque(alignment), Opaque(size));
      ASSERT_NE(pointer, nullptr) << alignment << ", " << size;
      EXPECT_TRUE(Aligned(pointer, rounded)) << alignment << ": " << pointer;
      free(pointer);
    }
  }
}

void MemalignRejectsUnroundableAlignment(const Entry&) {
  for (size_t alignment : {(size_t{1} << 63) + 1, SIZE_MAX - 1, SIZE_MAX}) {
    errno = 0;
    void* pointer = memalign(Opaque(alignment), 1);
    EXPECT_EQ(pointer, nullptr) << alignment;
    EXPECT_EQ(errno, EINVAL) << alignment;
    free(pointer);
  }
}

void PageFunctionsGivePages(const Entry&) {
  const size_t page = static_cast<size_t>(getpagesize());
  for (size_t size : {size_t{0}, size_t{1}, page - 1, page, page + 1,
                      100 * page + 1, size_t{9} << 20}) {
    void* aligned = valloc(Opaque(size));
    ASSERT_NE(aligned, nullptr);
    EXPECT_TRUE(Aligned(aligned, page)) << size;
    EXPECT_GE(malloc_usable_size(aligned), size);
    void* whole = pvalloc(Opaque(size));
    ASSERT_NE(whole, nullptr);
    EXPECT_TRUE(Aligned(whole, page)) << size;
    EXPECT_GE(malloc_usable_size(whole), (size + page - 1) / page * page);
    free(aligned);
    free(whole);
  }
}

}  // namespace contract
