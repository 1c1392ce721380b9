// Rows about giving back: every release keeps errno on every path (own and
// other thread's block, cell, run, mapping, the release that empties a block or
// gives pages to the kernel), usable size is true and stable, and a sized
// release takes the size that was asked for. Threads are started and joined
// inside a row.

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <thread>
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

constexpr size_t kReleaseSizes[] = {0,
                                    1,
                                    100,
                                    1000,
                                    5000,
                                    40 * kKiB,
                                    64 * kKiB,
                                    64 * kKiB + 1,
                                    100 * kKiB,
                                    kMiB,
                                    5 * kMiB,
                                    kMostLarge,
                                    kMostLarge + 1,
                                    8 * kMiB,
                                    20 * kMiB,
                                    100 * kMiB};

}  // namespace

void FreeOfNullDoesNothing(const Entry&) {
  auto null = [] { return Opaque<void*>(nullptr); };
  errno = EILSEQ;
  free(null());
  __libc_free(null());
  if (cfree != nullptr) cfree(null());
  if (free_sized != nullptr) free_sized(null(), 8);
  if (free_aligned_sized != nullptr) free_aligned_sized(null(), 8, 8);
  ::operator delete(null());
  ::operator delete[](null());
  ::operator delete (null(), size_t{8});
  ::operator delete[](null(), size_t{8});
  ::operator delete(null(), std::nothrow);
  ::operator delete[](null(), std::nothrow);
  ::operator delete (null(), std::align_val_t{64});
  ::operator delete[](null(), std::align_val_t{64});
  ::operator delete (null(), size_t{8}, std::align_val_t{64});
  ::operator delete[](null(), size_t{8}, std::align_val_t{64});
  ::operator delete (null(), std::align_val_t{64}, std::nothrow);
  ::operator delete[](null(), std::align_val_t{64}, std::nothrow);
  EXPECT_EQ(errno, EILSEQ);
}

void ReleaseKeepsErrno(const Entry& entry) {
  for (size_t size : kReleaseSizes) {
    const Outcome outcome = entry.allocate(size);
    ASSERT_NE(outcome.pointer, nullptr) << size;
    if (size > 0) static_cast<char*>(outcome.pointer)[size - 1] = 'e';
    errno = EILSEQ;
    entry.release(outcome.pointer, size);
    EXPECT_EQ(errno, EILSEQ) << size;
  }
}

void ReleaseByOtherThreadKeepsErrno(const Entry& entry) {
  for (size_t size : kReleaseSizes) {
    // Enough to fill a batch of frees and empty blocks.
    const size_t count = std::clamp(kMiB / (size + 1), size_t{1}, size_t{3000});
    std::vector<void*> blocks;
    for (size_t i = 0; i < count; ++i) {
      const Outcome outcome = entry.allocate(size);
      ASSERT_NE(outcome.pointer, nullptr) << size;
      blocks.push_back(outcome.pointer);
    }
    size_t lost = 0;
    std::thread([&] {
      for (void* block : blocks) {
        errno = EILSEQ;
        entry.release(block, size);
        if (errno != EILSEQ) ++lost;
      }
    }).join();
    EXPECT_EQ(lost, 0u) << size;
  }
}

void ManyReleasesKeepErrno(const Entry&) {
  // Enough of everything that blocks empty, free runs meet and pages go back.
  std::vector<void*> blocks;
  for (uint64_t i = 0; i < 30000; ++i) {
    const uint64_t random = Mix(i);
    size_t size = 1 + (random >> 8) % 2000;
    if (random % 16 == 0) size *= 20;
    if (random % 256 == 0) size *= 1000;
    void* block = malloc(size);
    ASSERT_NE(block, nullptr);
    std::memset(block, 1, std::min(size, 64 * kKiB));
    blocks.push_back(block);
  }
  errno = EILSEQ;
  for (size_t i = 0; i < blocks.size(); ++i) {
    free(blocks[i]);
    ASSERT_EQ(errno, EILSEQ) << i;
  }
}

void UsableSizeHolds(const Entry& entry) {
  struct Block {
    void* pointer;
    size_t size;
    size_t usable;
  };
  std::vector<Block> blocks;
  for (size_t size : TypicalSizes(12 * kMiB, entry)) {
    const int count = size < kMiB ? 3 : 1;
    for (int i = 0; i < count; ++i) {
      const Outcome outcome = entry.allocate(size);
      ASSERT_NE(outcome.pointer, nullptr) << size;
      const size_t usable = malloc_usable_size(outcome.pointer);
      EXPECT_GE(usable, size);
      FillPattern(outcome.pointer, usable, blocks.size());
      blocks.push_back({outcome.pointer, size, usable});
    }
  }
  // Stable, and no two usable ranges share a byte.
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Block& b = blocks[i];
    EXPECT_EQ(malloc_usable_size(b.pointer), b.usable) << b.size;
    EXPECT_EQ(FindDamage(b.pointer, b.usable, b.usable, i), b.usable) << b.size;
    entry.release(b.pointer, b.size);
  }
}

void UsableSizeOfNullIsZero(const Entry&) {
  errno = EILSEQ;
  EXPECT_EQ(malloc_usable_size(Opaque<void*>(nullptr)), 0u);
  EXPECT_EQ(errno, EILSEQ);
}

void SizedReleaseAfterUsableSize(const Entry& entry) {
  // Entries with sized releases pass the size that was asked for, although the
  // program has used all that was usable.
  const size_t step = entry.alignment > kMiB ? 70 : 1;
  for (size_t size = 0; size < 700; size += step) {
    const Outcome outcome = entry.allocate(size);
    ASSERT_NE(outcome.pointer, nullptr);
    std::memset(outcome.pointer, 0xa5, malloc_usable_size(outcome.pointer));
    entry.release(outcome.pointer, size);
  }
}

void SizedReleaseAfterReallocOrMemalign(const Entry&) {
  auto release = [](void* pointer, size_t size, size_t turn) {
    if (turn % 2 == 0 && free_sized != nullptr) {
      free_sized(pointer, size);
    } else {
      ::operator delete(Opaque(pointer), size);
    }
  };
  const std::vector<size_t> sizes = TypicalSizes(10 * kMiB);
  for (size_t i = 0; i < sizes.size(); ++i) {
    const size_t size = sizes[i];
    const size_t other = sizes[Mix(i) % sizes.size()];
    void* moved = realloc(malloc(other), Opaque(size));
    ASSERT_NE(moved, nullptr);
    release(moved, size, i);
    for (size_t alignment : {size_t{16}, size_t{64}, size_t{512}, size_t{4096},
                             128 * kKiB, 16 * kMiB}) {
      void* aligned = memalign(alignment, size);
      ASSERT_NE(aligned, nullptr);
      release(aligned, size, i);
      void* both = realloc(memalign(alignment, other), Opaque(size));
      ASSERT_NE(both, nullptr);
      release(both, size, i + 1);
    }
  }
}

void FreedMemoryIsReused(const Entry& entry) {
  // 200 MiB pass by in each size; memory that is not reused would be resident.
  const size_t before = ResidentBytes();
  for (size_t size : {size_t{1000}, size_t{5000}, 100 * kKiB, 9 * kMiB}) {
    const size_t times =
        200 * kMiB / std::max({size, size_t{4096}, entry.alignment / 16}) + 3;
    for (size_t i = 0; i < times; ++i) {
      const Outcome outcome = entry.allocate(size);
      ASSERT_NE(outcome.pointer, nullptr);
      for (size_t at = 0; at < size; at += 4096) {
        static_cast<char*>(outcome.pointer)[at] = 'x';
      }
      entry.release(outcome.pointer, size);
    }
  }
  EXPECT_LT(ResidentBytes(), before + 64 * kMiB);
}

}  // namespace contract
