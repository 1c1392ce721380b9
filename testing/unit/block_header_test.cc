// The way from a pointer to its header and back: arithmetic that is compared
// with what block_header.h says it means, for every granule of arenas of every
// colour. Nothing is ever read at the addresses.

#include "memalloc/layout/block_header.h"

#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/layout/arena.h"
#include "memalloc/layout/constants.h"

namespace memalloc {
namespace {

constexpr size_t kTableBytes = kGranulesPerArena * sizeof(BlockHeader);
constexpr size_t kColours = kGranuleSize / kTableBytes;

// Arenas of every colour, low and high in the address space.
std::vector<uintptr_t> Arenas() {
  std::vector<uintptr_t> arenas;
  for (uintptr_t number = 1; number <= 2 * kColours; ++number) {
    arenas.push_back(number * kArenaSize);
    arenas.push_back((uintptr_t{1} << kAddressBits) - number * kArenaSize);
  }
  return arenas;
}

uintptr_t AddressOf(const BlockHeader* header) {
  return reinterpret_cast<uintptr_t>(header);
}

TEST(BlockHeader, TableIsInTheFirstGranuleAtTheColour) {
  for (const uintptr_t arena : Arenas()) {
    const uintptr_t colour = arena / kArenaSize % kColours * kTableBytes;
    for (size_t granule = 0; granule < kGranulesPerArena; ++granule) {
      const BlockHeader* header = HeaderOf(arena + granule * kGranuleSize);
      ASSERT_EQ(AddressOf(header), arena + colour + granule * 64)
          << "arena " << arena << " granule " << granule;
      ASSERT_LE(AddressOf(header) + 64, arena + kGranuleSize);
    }
  }
}

TEST(BlockHeader, IsTheSameForTheWholeGranule) {
  std::mt19937_64 random(1);
  for (const uintptr_t arena : Arenas()) {
    for (size_t granule = 0; granule < kGranulesPerArena; ++granule) {
      const uintptr_t start = arena + granule * kGranuleSize;
      const BlockHeader* header = HeaderOf(start);
      ASSERT_EQ(HeaderOf(start + kGranuleSize - 1), header);
      ASSERT_EQ(HeaderOf(start + random() % kGranuleSize), header);
    }
  }
}

TEST(BlockHeader, GranulesHaveDistinctHeaders) {
  std::set<const BlockHeader*> seen;
  size_t granules = 0;
  for (uintptr_t number = 1; number <= 2 * kColours; ++number) {
    for (size_t g = 0; g < kGranulesPerArena; ++g, ++granules) {
      seen.insert(HeaderOf(number * kArenaSize + g * kGranuleSize));
    }
  }
  EXPECT_EQ(seen.size(), granules);
}

// What the colours are for: neighbouring tables lie in different cache sets of
// any cache whose sets span less than a granule.
TEST(BlockHeader, NeighbouringArenasHaveDistinctColours) {
  ASSERT_GE(kColours, 2U);
  std::set<uintptr_t> offsets;
  for (uintptr_t number = 1; number <= kColours; ++number) {
    const uintptr_t arena = number * kArenaSize;
    offsets.insert(AddressOf(HeaderOf(arena)) - arena);
  }
  EXPECT_EQ(offsets.size(), kColours);
}

TEST(BlockHeader, LeadsBackToItsGranule) {
  for (const uintptr_t arena : Arenas()) {
    for (size_t granule = 0; granule < kGranulesPerArena; ++granule) {
      const uintptr_t start = arena + granule * kGranuleSize;
      ASSERT_EQ(BlockStart(HeaderOf(start)), start);
      ASSERT_EQ(GranuleOf(HeaderOf(start)), granule);
      ASSERT_EQ(ArenaHeaderOf(HeaderOf(start)), ArenaHeaderAt(arena));
    }
    ASSERT_EQ(ArenaHeaderAt(arena)->Start(), arena);
    ASSERT_EQ(ArenaHeaderAt(arena)->Header(9),
              HeaderOf(arena + 9 * kGranuleSize));
  }
}

TEST(BlockHeader, CountsFreeCells) {
  BlockHeader block = {};
  block.carved = 100;
  block.ExpectFrees(0);
  EXPECT_EQ(block.FreeCells(), 0U);
  EXPECT_EQ(block.UsedCells(), 100U);
  block.ExpectFrees(12);
  EXPECT_EQ(block.countdown, 12U);
  EXPECT_EQ(block.FreeCells(), 0U);
  block.countdown -= 5;
  EXPECT_EQ(block.FreeCells(), 5U);
  EXPECT_EQ(block.UsedCells(), 95U);
  block.ExpectFrees(block.UsedCells());
  EXPECT_EQ(block.countdown, 95U);
  EXPECT_EQ(block.FreeCells(), 5U) << "kept";
}

TEST(ArenaHeader, RemembersDirtyGranules) {
  ArenaHeader arena = {};
  for (size_t g = 0; g < kGranulesPerArena; ++g)
    ASSERT_FALSE(arena.dirty.Has(g));
  arena.dirty.Set(62, 4);
  arena.dirty.Set(kGranulesPerArena - 1, 1);
  for (size_t g = 0; g < kGranulesPerArena; ++g) {
    ASSERT_EQ(arena.dirty.Has(g),
              (g >= 62 && g < 66) || g == kGranulesPerArena - 1)
        << "granule " << g;
  }
}

}  // namespace
}  // namespace memalloc
