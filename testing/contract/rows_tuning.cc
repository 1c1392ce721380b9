// Rows about what a program may set: mallopt's parameters, and memalloc's limit
// of memory. A program takes 0 of mallopt for a failure, so each value that
// glibc takes must be taken. What a row sets it sets back: the rows share a
// process. Single-threaded.

#include <gtest/gtest.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "memalloc/memalloc.h"
#include "testing/contract/pattern.h"
#include "testing/contract/rows.h"

namespace contract {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

constexpr int kValues[] = {
    0,      1,       -1,        2,       64,       80,      160, 161,
    4096,   65536,   65537,     1 << 20, 32 << 20, INT_MAX, -2,  (32 << 20) + 1,
    1 << 8, 1 << 27, -(1 << 20)};

constexpr int kParameters[] = {
    M_TRIM_THRESHOLD, M_TOP_PAD,      M_MMAP_THRESHOLD,
    M_MMAP_MAX,       M_CHECK_ACTION, M_PERTURB,
    M_ARENA_TEST,     M_ARENA_MAX,    M_NLBLKS,
    M_GRAIN,          M_KEEP};

constexpr int kUnknownParameters[] = {0,   5,   6,       99,     -9,
                                      -10, -99, INT_MAX, INT_MIN};

// Both allocators' defaults, or what leaves other rows alone.
void SetBack() {
  EXPECT_EQ(mallopt(M_MXFAST, 128), 1);
  EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, 4 << 20), 1);
  EXPECT_EQ(mallopt(M_TOP_PAD, 1 << 20), 1);
  EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 8 << 20), 1);
  EXPECT_EQ(mallopt(M_MMAP_MAX, 65536), 1);
  EXPECT_EQ(mallopt(M_CHECK_ACTION, 3), 1);
  EXPECT_EQ(mallopt(M_PERTURB, 0), 1);
  EXPECT_EQ(mallopt(M_ARENA_TEST, 8), 1);
  EXPECT_EQ(mallopt(M_ARENA_MAX, 8), 1);
}

// One block of each size, and larger by realloc, with its contents checked.
void UseTheHeap() {
  for (const size_t size : TypicalSizes(10 * kMiB)) {
    void* block = malloc(size);
    ASSERT_NE(block, nullptr) << size;
    const uint64_t seed = BlockSeed(block, size, 1);
    FillPattern(block, size, seed);
    void* grown = realloc(block, size + size / 2 + 100);
    ASSERT_NE(grown, nullptr) << size;
    ASSERT_EQ(FindDamage(grown, size, size, seed), size);
    free(grown);
  }
}

}  // namespace

void MalloptTakesWhatGlibcTakes(const Entry&) {
  errno = EILSEQ;
  for (const int value : kValues) {
    for (const int parameter : kParameters) {
      EXPECT_EQ(mallopt(parameter, value), 1) << parameter << ", " << value;
    }
    EXPECT_EQ(mallopt(M_MXFAST, value), value >= 0 && value <= 160 ? 1 : 0)
        << value;
  }
  EXPECT_EQ(errno, EILSEQ);
  SetBack();
}

void MalloptRefusesUnknownParameters(const Entry&) {
  for (const int parameter : kUnknownParameters) {
    for (const int value : {0, 1, -1}) {
      EXPECT_EQ(mallopt(parameter, value), 0) << parameter;
    }
  }
}

void LibcMalloptTakesUnknownParameters(const Entry&) {
  for (const int parameter : kUnknownParameters) {
    EXPECT_EQ(mallopt(parameter, 0), 1) << parameter;
  }
}

void MalloptLeavesTheHeapUsable(const Entry&) {
  for (const int parameter : kParameters) {
    for (const int value : {0, 1, -1, 65536, 1 << 20}) {
      SCOPED_TRACE(testing::Message() << parameter << ", " << value);
      ASSERT_EQ(mallopt(parameter, value), 1);
      UseTheHeap();
      SetBack();
    }
  }
}

void HardLimitGivesEnomem(const Entry& entry) {
  constexpr size_t kSize = 32 * kMiB;
  malloc_trim(0);  // what is kept would serve
  ASSERT_EQ(memalloc_set_option("hard_limit", "1"), 0);
  const Outcome refused = entry.allocate(kSize);
  ASSERT_EQ(memalloc_set_option("hard_limit", "0"), 0);
  EXPECT_EQ(refused.pointer, nullptr);
  EXPECT_EQ(refused.error, ENOMEM);
  EXPECT_EQ(refused.threw_bad_alloc, entry.throws);
  const Outcome outcome = entry.allocate(kSize);
  ASSERT_NE(outcome.pointer, nullptr);
  entry.release(outcome.pointer, kSize);
}

void LibcHasNoHardLimit(const Entry&) {
  EXPECT_TRUE(memalloc_set_option == nullptr);
  EXPECT_TRUE(memalloc_get_option == nullptr);
}

void OptionsAreSetAndRead(const Entry&) {
  char text[32];
  errno = EILSEQ;
  EXPECT_EQ(memalloc_set_option("purge_delay", "2s"), 0);
  EXPECT_EQ(memalloc_get_option("purge_delay", text, sizeof(text)), 6);
  EXPECT_STREQ(text, "2000ms");
  EXPECT_EQ(memalloc_get_option("purge_delay", text, 3), 6);
  EXPECT_STREQ(text, "20");
  EXPECT_EQ(memalloc_get_option("purge_delay", nullptr, 0), 6);
  EXPECT_EQ(memalloc_set_option("purge_delay", "1000"), 0);
  EXPECT_EQ(memalloc_set_option("purge_delay", "soon"), EINVAL);
  EXPECT_EQ(memalloc_set_option("no_such_option", "1"), ENOENT);
  EXPECT_EQ(memalloc_get_option("no_such_option", text, sizeof(text)), -1);
  EXPECT_EQ(errno, EILSEQ);
}

// mallopt's parameters are options under other names.
void MalloptSetsOptions(const Entry&) {
  const auto printed = [](const char* name) {
    char text[32];
    memalloc_get_option(name, text, sizeof(text));
    return std::string(text);
  };
  EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, 3 << 20), 1);
  EXPECT_EQ(printed("trim_threshold"), "3M");
  EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, -1), 1);
  EXPECT_EQ(printed("trim_threshold"), "64T");
  EXPECT_EQ(mallopt(M_TOP_PAD, 12345), 1);
  EXPECT_EQ(printed("top_pad"), "12345");
  EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 128 << 10), 1);
  EXPECT_EQ(printed("huge_threshold"), "1M") << "no mapping for less";
  EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 30), 1);
  EXPECT_EQ(printed("huge_threshold"), "8M") << "there are no larger blocks";
  SetBack();
}

}  // namespace contract
