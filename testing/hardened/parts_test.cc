// The parts of the hardened build, each by itself.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/options.h"
#include "memalloc/hardened/canary.h"
#include "memalloc/hardened/carve_order.h"
#include "memalloc/hardened/quarantine.h"
#include "memalloc/hardened/wipe.h"
#include "memalloc/layout/free_cell.h"

namespace memalloc {
namespace {

class PartsTest : public ::testing::Test {
 protected:
  PartsTest() { MakeSecret(0x0123456789abcdef); }

  static RandomNumbers random_;

  static Room RoomAt(void* start, size_t bytes) {
    return {reinterpret_cast<uintptr_t>(start), bytes};
  }
};

RandomNumbers PartsTest::random_;

// ---- canary ----

TEST_F(PartsTest, ALiveRoomTellsItsSize) {
  alignas(16) char memory[256];
  for (size_t bytes = 16; bytes <= sizeof(memory); bytes += 16) {
    const Room room = RoomAt(memory, bytes);
    const uint64_t canary = CanaryOf(room.start);
    for (size_t size = 0; size <= bytes - kEndSize; ++size) {
      MarkLive(room, canary, size);
      memset(memory, 0xff, size);
      size_t found;
      ASSERT_TRUE(IsLive(room, canary, &found));
      ASSERT_EQ(found, size);
    }
  }
}

TEST_F(PartsTest, EachBitBehindTheEndCounts) {
  alignas(16) char memory[64];
  const Room room = RoomAt(memory, sizeof(memory));
  const uint64_t canary = CanaryOf(room.start);
  for (const size_t size : {33U, 40U, 49U, 55U, 56U}) {
    MarkLive(room, canary, size);
    // The canary ends after a word; the rest of the slack is not looked at.
    for (size_t i = size; i < sizeof(memory); ++i) {
      if (i >= size + kEndSize && i < sizeof(memory) - kEndSize) continue;
      // A change of the slack itself passes if it says then that there is none.
      if (i == sizeof(memory) - kEndSize) continue;
      for (int bit = 0; bit < 8; ++bit) {
        memory[i] = static_cast<char>(memory[i] ^ 1 << bit);
        size_t found;
        EXPECT_FALSE(IsLive(room, canary, &found)) << size << ' ' << i;
        memory[i] = static_cast<char>(memory[i] ^ 1 << bit);
      }
    }
  }
}

// Such a cell may have stood there in a block that was made for other sizes.
TEST_F(PartsTest, WhatStandsBehindACellIsNoEndWord) {
  alignas(16) char memory[64];
  const Room room = RoomAt(memory, sizeof(memory));
  const uint64_t canary = CanaryOf(room.start);
  for (size_t size = 0; size <= sizeof(memory) - 2 * kEndSize; ++size) {
    MarkLive(room, canary, size);
    size_t found;
    EXPECT_FALSE(IsLive({room.start, size + kEndSize}, canary, &found)) << size;
  }
}

TEST_F(PartsTest, TheFirstByteOfACanaryIsNeverZero) {
  for (uintptr_t start = 0; start < 1 << 20; start += 16) {
    EXPECT_NE(CanaryOf(start) & 0xff, 0U);
  }
}

TEST_F(PartsTest, AFreeRoomIsNotLiveAndTellsWhatWasCleared) {
  alignas(16) char memory[128];
  const Room room = RoomAt(memory, sizeof(memory));
  const uint64_t canary = CanaryOf(room.start);
  const uintptr_t key = BlockLinkKey(1234567, 1);
  const uintptr_t other_key = BlockLinkKey(1234567, 2);
  const auto expect_free = [&](size_t cleared) {
    size_t found;
    EXPECT_FALSE(IsLive(room, canary, &found));
    EXPECT_TRUE(IsMarkedFree(room, canary, key, kUsualWipe, &found));
    EXPECT_EQ(found, cleared);
    EXPECT_FALSE(IsMarkedFree(room, canary, other_key, kUsualWipe, &found));
  };
  for (const size_t cleared : {0U, 16U, 64U, 128U}) {
    MarkFree(room, canary, key, cleared);
    EXPECT_NE(*room.EndWord(), UsualFreeWord(canary, key));
    expect_free(cleared);
  }
  *room.EndWord() = UsualFreeWord(canary, key);
  expect_free(kUsualWipe);
  MarkLive(room, canary, 100);
  size_t found;
  EXPECT_FALSE(IsMarkedFree(room, canary, key, kUsualWipe, &found));
}

// ---- clearing ----

TEST_F(PartsTest, ClearsTheStartOfACellAndSeesEachChange) {
  alignas(16) char memory[48];
  memset(memory, 0x55, sizeof(memory));
  const auto start = reinterpret_cast<uintptr_t>(memory);
  WipeUsual(start);
  for (size_t i = 0; i < sizeof(memory); ++i) {
    EXPECT_EQ(memory[i], i < kUsualWipe ? 0 : 0x55) << i;
  }
  memset(memory + 24, 0x66, kEndSize);  // of a cell of 32 bytes
  for (size_t i = 0; i < 24; ++i) {
    ASSERT_TRUE(IsFirstWordWiped(start));
    ASSERT_EQ(UsualLeftovers(start), 0U);
    memory[i] = 1;
    EXPECT_EQ(IsFirstWordWiped(start), i >= 8) << i;
    EXPECT_EQ(UsualLeftovers(start) == 0, i < 8) << i;
    memory[i] = 0;
  }
}

TEST_F(PartsTest, SeesEachChangeOfMore) {
  alignas(16) char memory[256] = {};
  const auto start = reinterpret_cast<uintptr_t>(memory);
  for (size_t i = 0; i < sizeof(memory); ++i) {
    memory[i] = 1;
    EXPECT_EQ(IsWiped(start + 8, start + 200), i < 8 || i >= 200) << i;
    memory[i] = 0;
  }
}

// ---- quarantine ----

// `exchange` puts a cell into the quarantine in one of two ways.
template <typename Exchange>
void ExpectEachCellGoesOnce(Quarantine& quarantine, const Exchange& exchange) {
  constexpr uintptr_t kCells = 10000;
  std::set<uintptr_t> gone;
  size_t at_once = 0;
  for (uintptr_t cell = 1; cell <= kCells; ++cell) {
    const uintptr_t old = exchange(cell * 16);
    at_once += old + 20 * 16 > cell * 16;
    if (old != 0) {
      EXPECT_TRUE(gone.insert(old).second);
    }
  }
  // Not first in, first out: a few go soon.
  EXPECT_GT(at_once, 100U);
  EXPECT_EQ(gone.size(), kCells - Quarantine::kSmallPlaces);
  for (size_t place = 0; place < Quarantine::kPlaces; ++place) {
    const uintptr_t cell = quarantine.Take(place);
    if (cell != 0) {
      EXPECT_TRUE(gone.insert(cell).second);
    }
  }
  EXPECT_EQ(gone.size(), kCells);
}

TEST_F(PartsTest, TheQuarantineLetsEachCellGoOnce) {
  static Quarantine quarantine;
  constexpr size_t kLimit = 256 * 1024;
  ExpectEachCellGoesOnce(quarantine, [](uintptr_t cell) {
    return quarantine.Exchange(cell, 64, kLimit);
  });
  ExpectEachCellGoesOnce(quarantine, [](uintptr_t cell) {
    return quarantine.ExchangeSmall(cell, CanaryOf(cell));
  });
}

// A loop that frees the same few cells does not come back to the same places.
TEST_F(PartsTest, PlacesDoNotDependOnTheCellAlone) {
  static Quarantine quarantine;
  std::set<size_t> places;
  for (int i = 0; i < 10000; ++i) {
    const uintptr_t cell = 16 * (1 + i % 2);
    quarantine.ExchangeSmall(cell, CanaryOf(cell));
    for (size_t place = 0; place < Quarantine::kSmallPlaces; ++place) {
      if (quarantine.Take(place) != 0) places.insert(place);
    }
  }
  EXPECT_EQ(places.size(), Quarantine::kSmallPlaces);
}

TEST_F(PartsTest, TheQuarantineKeepsToItsLimit) {
  static Quarantine quarantine;
  constexpr size_t kLimit = 128 * 1024;
  for (const size_t bytes : {16UL, 1024UL, 1040UL, 16384UL, 16400UL}) {
    size_t held = 0;
    for (uintptr_t cell = 1; cell <= 2000; ++cell) {
      held += quarantine.Exchange(cell * 16, bytes, kLimit) == 0;
    }
    EXPECT_LE(held * bytes, kLimit) << bytes;
    EXPECT_EQ(held == 0, bytes > kLimit / 8) << bytes;
    for (size_t place = 0; place < Quarantine::kPlaces; ++place) {
      quarantine.Take(place);
    }
  }
  EXPECT_EQ(quarantine.Exchange(16, 16, 0), 16U);
}

// ---- order ----

TEST_F(PartsTest, CellsAreCarvedInAnyOrder) {
  std::set<std::vector<size_t>> orders;
  for (int i = 0; i < 100; ++i) {
    for (const size_t cells : {1U, 2U, 8U, 256U}) {
      const CarveOrder order(cells, random_);
      std::vector<size_t> numbers;
      for (size_t n = 0; n < cells; ++n) numbers.push_back(order[n]);
      if (cells == 8) orders.insert(numbers);
      std::sort(numbers.begin(), numbers.end());
      for (size_t n = 0; n < cells; ++n) ASSERT_EQ(numbers[n], n);
    }
  }
  EXPECT_GT(orders.size(), 90U);
}

TEST_F(PartsTest, UnlessTheOptionSaysNo) {
  SetOption(Option::kRandomOrder, 0);
  const CarveOrder order(256, random_);
  SetOption(Option::kRandomOrder, 1);
  for (size_t n = 0; n < 256; ++n) EXPECT_EQ(order[n], n);
}

}  // namespace
}  // namespace memalloc
