// The address map: which slot an address falls in, and that marking touches
// the slots it should and no other.

#include "memalloc/layout/address_map.h"

#include "gtest/gtest.h"
#include "memalloc/layout/constants.h"

namespace memalloc {
namespace {

constexpr uintptr_t kEndOfAddresses = uintptr_t{1} << kAddressBits;

// Megabytes of .bss, as the one in use.
AddressMap g_map;

class AddressMapTest : public ::testing::Test {
 protected:
  ~AddressMapTest() override {
    g_map.Set(0, kEndOfAddresses >> kArenaShift, SlotKind::kForeign);
  }
};

TEST_F(AddressMapTest, IsForeignAtFirst) {
  for (uintptr_t a = 0; a < kEndOfAddresses; a += kEndOfAddresses / 1024) {
    ASSERT_EQ(g_map.Find(a), SlotKind::kForeign);
    ASSERT_EQ(g_map.Get(AddressMap::SlotOf(a)), SlotKind::kForeign);
  }
}

TEST_F(AddressMapTest, SlotIsTheArenasNumber) {
  EXPECT_EQ(AddressMap::SlotOf(0), 0U);
  EXPECT_EQ(AddressMap::SlotOf(kArenaSize - 1), 0U);
  EXPECT_EQ(AddressMap::SlotOf(kArenaSize), 1U);
  EXPECT_EQ(AddressMap::SlotOf(kEndOfAddresses - 1),
            (kEndOfAddresses >> kArenaShift) - 1);
}

TEST_F(AddressMapTest, MarksAllOfTheSlotAndNoOther) {
  const uintptr_t arena = 5 * kArenaSize;
  g_map.Set(arena, 1, SlotKind::kArena);
  EXPECT_EQ(g_map.Find(arena - 1), SlotKind::kForeign);
  EXPECT_EQ(g_map.Find(arena), SlotKind::kArena);
  EXPECT_EQ(g_map.Find(arena + kArenaSize - 1), SlotKind::kArena);
  EXPECT_EQ(g_map.Find(arena + kArenaSize), SlotKind::kForeign);
  EXPECT_EQ(g_map.Get(5), SlotKind::kArena);
}

TEST_F(AddressMapTest, MarksStretches) {
  const uintptr_t arena = 100 * kArenaSize;
  g_map.Set(arena, 4, SlotKind::kArena);
  g_map.Set(arena + kArenaSize, 2, SlotKind::kHugeInside);
  g_map.Set(arena + 3 * kArenaSize, 1, SlotKind::kHugeAligned);
  const SlotKind expected[] = {SlotKind::kForeign,     SlotKind::kArena,
                               SlotKind::kHugeInside,  SlotKind::kHugeInside,
                               SlotKind::kHugeAligned, SlotKind::kForeign};
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(g_map.Find(arena + i * kArenaSize - kArenaSize), expected[i])
        << "slot " << i;
  }
  g_map.Set(arena, 4, SlotKind::kForeign);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(g_map.Find(arena + i * kArenaSize - kArenaSize),
              SlotKind::kForeign);
  }
}

TEST_F(AddressMapTest, TheLastSlotCanBeMarked) {
  g_map.Set(kEndOfAddresses - kArenaSize, 1, SlotKind::kArena);
  EXPECT_EQ(g_map.Find(kEndOfAddresses - 1), SlotKind::kArena);
  EXPECT_EQ(g_map.Find(0), SlotKind::kForeign);
}

// Free reads the slot of a wild pointer's alias, inside the map; Find, which
// serves those who ask about any pointer, knows better.
TEST_F(AddressMapTest, WildAddressesStayInsideTheMap) {
  g_map.Set(7 * kArenaSize, 1, SlotKind::kArena);
  for (unsigned bit = kAddressBits; bit < 64; ++bit) {
    const uintptr_t wild = 7 * kArenaSize + 64 + (uintptr_t{1} << bit);
    ASSERT_EQ(AddressMap::SlotOf(wild), 7U) << "bit " << bit;
    ASSERT_EQ(g_map.Find(wild), SlotKind::kForeign) << "bit " << bit;
  }
  EXPECT_LT(AddressMap::SlotOf(UINTPTR_MAX), kEndOfAddresses >> kArenaShift);
  EXPECT_EQ(g_map.Find(UINTPTR_MAX), SlotKind::kForeign);
}

}  // namespace
}  // namespace memalloc
