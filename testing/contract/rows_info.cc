// Rows about the questions glibc lets a program ask of its heap: mallinfo,
// malloc_info, malloc_stats, malloc_trim. Only what callers rely on is
// asserted: that the calls answer, that live memory shows in the figures, and
// that nothing a program has is changed. The stream given to malloc_info
// allocates while it is written to, so an allocator that holds its lock there
// would hang. Single-threaded.

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "testing/contract/pattern.h"
#include "testing/contract/rows.h"

namespace contract {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

size_t LiveBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// The stream's write: allocates of every kind before it appends to the string.
ssize_t AllocateAndAppend(void* cookie, const char* text, size_t size) {
  for (size_t n : {size_t{24}, size_t{3000}, 100 * kKiB, 9 * kMiB}) {
    free(Opaque(malloc(n)));
  }
  static_cast<std::string*>(cookie)->append(text, size);
  return static_cast<ssize_t>(size);
}

}  // namespace

void InfoCallsAnswer(const Entry&) {
  const int trimmed = malloc_trim(0);
  EXPECT_TRUE(trimmed == 0 || trimmed == 1) << trimmed;
}

void MallinfoSeesLiveMemory(const Entry&) {
  const size_t before = LiveBytes();
  std::vector<void*> blocks;
  blocks.reserve(65537);
  for (int i = 0; i < 65536; ++i) blocks.push_back(malloc(kKiB));
  blocks.push_back(malloc(32 * kMiB));
  const size_t during = LiveBytes();
  for (void* block : blocks) free(block);
  const size_t after = LiveBytes();
  EXPECT_GE(during, before + 96 * kMiB);
  EXPECT_LT(during, before + 192 * kMiB);
  EXPECT_LT(after, before + 16 * kMiB);
}

void MallocInfoWritesXml(const Entry&) {
  std::string xml;
  FILE* stream =
      fopencookie(&xml, "w", {nullptr, AllocateAndAppend, nullptr, nullptr});
  ASSERT_NE(stream, nullptr);
  ASSERT_EQ(setvbuf(stream, nullptr, _IONBF, 0), 0);
  EXPECT_EQ(malloc_info(0, stream), 0);
  ASSERT_EQ(fclose(stream), 0);
  EXPECT_EQ(xml.rfind("<malloc version=", 0), 0u) << xml;
  EXPECT_NE(xml.find("</malloc>"), std::string::npos) << xml;
  // EINVAL in glibc; the manual page says -1.
  EXPECT_NE(malloc_info(1, stdout), 0);
}

void MallocStatsWritesToStderr(const Entry&) {
  FILE* file = tmpfile();
  ASSERT_NE(file, nullptr);
  fflush(stderr);
  const int saved = dup(STDERR_FILENO);
  ASSERT_GE(saved, 0);
  ASSERT_GE(dup2(fileno(file), STDERR_FILENO), 0);
  malloc_stats();
  fflush(stderr);
  ASSERT_GE(dup2(saved, STDERR_FILENO), 0);
  close(saved);
  EXPECT_GT(lseek(fileno(file), 0, SEEK_END), 0);
  fclose(file);
}

void TrimKeepsContentsAndErrno(const Entry&) {
  struct Block {
    void* pointer;
    size_t size;
    uint64_t seed;
  };
  std::vector<Block> blocks;
  for (size_t size : TypicalSizes(10 * kMiB)) {
    for (int i = 0; i < 6; ++i) {
      void* pointer = malloc(size);
      ASSERT_NE(pointer, nullptr);
      const uint64_t seed = BlockSeed(pointer, size, i);
      FillPattern(pointer, size, seed);
      blocks.push_back({pointer, size, seed});
    }
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 2 == 0) free(blocks[i].pointer);
  }
  for (size_t pad : {size_t{0}, kMiB, SIZE_MAX}) {
    errno = EILSEQ;
    malloc_trim(Opaque(pad));
    EXPECT_EQ(errno, EILSEQ) << pad;
  }
  for (size_t i = 1; i < blocks.size(); i += 2) {
    const Block& b = blocks[i];
    EXPECT_EQ(FindDamage(b.pointer, b.size, b.size, b.seed), b.size);
    free(b.pointer);
  }
}

}  // namespace contract
