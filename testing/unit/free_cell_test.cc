// Links of free cells: they decode to what was stored, a free cell can be told
// from a live one, and a changed link is not taken for one of the same block.

#include "memalloc/layout/free_cell.h"

#include <cstring>
#include <random>

#include "gtest/gtest.h"
#include "memalloc/layout/constants.h"

namespace memalloc {
namespace {

constexpr uintptr_t kBlock = 0x5555'0003'0000;

TEST(FreeCell, LinkDecodesToWhatWasStored) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10000; ++i) {
    const uintptr_t key = MakeLinkKey(random());
    const uintptr_t next = random() >> (64 - kAddressBits) & ~uintptr_t{15};
    FreeCell cell;
    cell.SetNext(next, key);
    ASSERT_EQ(cell.Next(key), next);
    ASSERT_TRUE(cell.HasFreeTag());
    cell.SetNext(0, key);
    ASSERT_EQ(cell.Next(key), 0U);
    ASSERT_TRUE(cell.HasFreeTag());
  }
}

TEST(FreeCell, KeyIsRandomButForItsTag) {
  EXPECT_EQ(MakeLinkKey(0) >> kFreeTagShift, kFreeTag);
  EXPECT_EQ(MakeLinkKey(UINT64_MAX) >> kFreeTagShift, kFreeTag);
  // 48 bits of the word reach the key.
  uintptr_t varying = 0;
  for (unsigned bit = 0; bit < 64; ++bit) {
    varying |= MakeLinkKey(0) ^ MakeLinkKey(uint64_t{1} << bit);
  }
  EXPECT_EQ(varying, (uintptr_t{1} << kFreeTagShift) - 1);
}

TEST(FreeCell, LiveDataHasNoTag) {
  FreeCell cell;
  const char texts[][9] = {"Hello, w", "\0\0\0\0\0\0\0", "        "};
  for (const auto& text : texts) {
    memcpy(&cell.link, text, sizeof(cell.link));
    EXPECT_FALSE(cell.HasFreeTag());
  }
  // Pointers, small numbers, minus small numbers, floating point.
  cell.link = kBlock;
  EXPECT_FALSE(cell.HasFreeTag());
  cell.link = 12345;
  EXPECT_FALSE(cell.HasFreeTag());
  cell.link = UINTPTR_MAX - 5;
  EXPECT_FALSE(cell.HasFreeTag());
  const double pi = 3.14159;
  memcpy(&cell.link, &pi, sizeof(pi));
  EXPECT_FALSE(cell.HasFreeTag());
}

TEST(FreeCell, RandomDataHasTheTagOnceIn65536) {
  std::mt19937_64 random(2);
  int tagged = 0;
  for (int i = 0; i < 1 << 20; ++i) {
    FreeCell cell;
    cell.link = random();
    tagged += cell.HasFreeTag();
  }
  EXPECT_LT(tagged, 64);  // 16 expected
}

// A write of any value over any one byte but the lowest two leads out of the
// granule, and so does what programs write there.
TEST(FreeCell, AChangedLinkLeavesTheBlock) {
  const uintptr_t key = MakeLinkKey(0x0123456789abcdef);
  FreeCell cell;
  cell.SetNext(kBlock + 64, key);
  const uintptr_t link = cell.link;
  for (unsigned byte = 2; byte < 8; ++byte) {
    for (uintptr_t value = 1; value < 256; ++value) {
      cell.link = link ^ value << 8 * byte;
      ASSERT_NE(cell.Next(key) >> kGranuleShift, kBlock >> kGranuleShift);
    }
  }
  for (const uintptr_t value : {uintptr_t{0}, kBlock + 64, uintptr_t{1}}) {
    cell.link = value;
    EXPECT_NE(cell.Next(key) >> kGranuleShift, kBlock >> kGranuleShift);
  }
}

// What an earlier block left behind is no link of the one that stands there
// now: it leads out of the block, whatever the earlier one linked.
TEST(FreeCell, ALinkOfAnEarlierBlockLeavesTheBlock) {
  const uintptr_t process_key = MakeLinkKey(0x0123456789abcdef);
  for (uint64_t number = 1; number < 1000; ++number) {
    FreeCell cell;
    cell.SetNext(kBlock + 64, BlockLinkKey(process_key, number));
    ASSERT_TRUE(cell.HasFreeTag());
    const uintptr_t next = cell.Next(BlockLinkKey(process_key, number + 1));
    ASSERT_NE(next >> kGranuleShift, kBlock >> kGranuleShift);
    ASSERT_NE(next, 0U);
  }
}

}  // namespace
}  // namespace memalloc
