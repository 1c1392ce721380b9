// Free runs against a model: random operations on three arenas, compared after
// every step with a map of granules that is kept here.

#include "memalloc/heap/free_runs.h"

#include <sys/mman.h>

#include <iterator>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/math.h"

namespace memalloc {
namespace {

constexpr size_t kArenas = 3;

// Arenas whose tables alone are usable: runs are described there, nothing
// looks at the granules themselves.
class FreeRunsTest : public ::testing::Test {
 protected:
  FreeRunsTest() {
    room_ = mmap(nullptr, (kArenas + 1) * kArenaSize, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(room_, MAP_FAILED);
    base_ = RoundUp(reinterpret_cast<uintptr_t>(room_), kArenaSize);
    for (size_t i = 0; i < kArenas; ++i) {
      mprotect(reinterpret_cast<void*>(base_ + i * kArenaSize), kGranuleSize,
               PROT_READ | PROT_WRITE);
      Arena(i)->status = BlockStatus::kArenaTable;
      Arena(i)->limit = 1;
    }
    in_use_.assign(kArenas * kGranulesPerArena, true);
  }
  ~FreeRunsTest() override { munmap(room_, (kArenas + 1) * kArenaSize); }

  ArenaHeader* Arena(size_t i) { return ArenaHeaderAt(base_ + i * kArenaSize); }

  // Granules of all arenas have one numbering here.
  BlockHeader* Header(size_t granule) {
    return HeaderOf(base_ + granule * kGranuleSize);
  }
  size_t Number(const BlockHeader* header) {
    return (BlockStart(header) - base_) / kGranuleSize;
  }

  // Length of the free run that begins at the granule, in the model.
  size_t ModelRun(size_t granule) {
    const size_t end = RoundUp(granule + 1, kGranulesPerArena);
    size_t length = 0;
    while (granule + length < end && !in_use_[granule + length]) ++length;
    return length;
  }

  void Extend(size_t arena, size_t limit) {
    const size_t first = Arena(arena)->limit;
    Arena(arena)->limit = static_cast<uint16_t>(limit);
    Give(arena * kGranulesPerArena + first, limit - first);
  }

  void Give(size_t granule, size_t granules) {
    runs_.Give(Header(granule), granules);
    for (size_t i = 0; i < granules; ++i) in_use_[granule + i] = false;
  }

  // Notes a block as a user of FreeRuns must.
  void Use(BlockHeader* block, size_t granules) {
    ASSERT_EQ(block->granules, granules);
    block->status = BlockStatus::kLarge;
    for (size_t i = 0; i < granules; ++i) {
      ASSERT_FALSE(in_use_[Number(block) + i]) << "handed out twice";
      in_use_[Number(block) + i] = true;
    }
    blocks_[Number(block)] = granules;
  }

  // The model's answer to Take: the length of the shortest run that has room.
  size_t ModelBestFit(size_t granules, size_t alignment) {
    size_t best = 0;
    for (size_t g = 0; g < in_use_.size();) {
      const size_t length = ModelRun(g);
      const uintptr_t start = base_ + g * kGranuleSize;
      const size_t skip = (RoundUp(start, alignment) - start) / kGranuleSize;
      if (length >= skip + granules && (best == 0 || length < best)) {
        best = length;
      }
      g += Max<size_t>(1, length);
    }
    return best;
  }

  // The run, in the model, that the granules were cut out of.
  size_t LengthOfTheRunAround(const BlockHeader* block, size_t granules) {
    size_t first = Number(block);
    while (!in_use_[first - 1]) --first;
    EXPECT_GE(ModelRun(first), Number(block) - first + granules);
    return ModelRun(first);
  }

  std::pair<size_t, size_t> RandomBlock(uint64_t random) {
    auto it = blocks_.begin();
    std::advance(it, random % blocks_.size());
    return *it;
  }

  void CheckAgainstModel() {
    // The model's runs, all in the lists, and nothing else in them.
    std::map<size_t, size_t> model;
    size_t total = 0;
    for (size_t g = 0; g < in_use_.size();) {
      const size_t length = ModelRun(g);
      if (length > 0) model[g] = length;
      total += length;
      g += Max<size_t>(1, length);
    }
    ASSERT_EQ(runs_.total_granules(), total);
    size_t listed = 0;
    for (size_t length = 1; length < kGranulesPerArena; ++length) {
      const BlockHeader* previous = nullptr;
      for (const BlockHeader* run = runs_.OfLength(length).first();
           run != nullptr; run = BlockList::Next(run)) {
        ASSERT_EQ(model.count(Number(run)), 1U) << "no run begins there";
        ASSERT_EQ(model[Number(run)], length);
        ASSERT_EQ(run->status, BlockStatus::kFree);
        ASSERT_EQ(run->granules, length);
        ASSERT_EQ(run[length - 1].status, BlockStatus::kFree);
        ASSERT_EQ(run[length - 1].granules, length);
        ASSERT_EQ(BlockNumbered(run->prev), previous);
        previous = run;
        ++listed;
      }
    }
    ASSERT_EQ(listed, model.size());
    for (const auto& [granule, granules] : blocks_) {
      const BlockHeader* block = Header(granule);
      ASSERT_EQ(block->granules, granules);
      ASSERT_EQ(block[granules - 1].granules, granules);
      ASSERT_NE(block[granules - 1].status, BlockStatus::kFree);
    }
  }

  FreeRuns runs_;
  std::vector<bool> in_use_;         // by granule; beyond the limit too
  std::map<size_t, size_t> blocks_;  // in use: first granule, length
  uintptr_t base_;

 private:
  void* room_;
};

TEST_F(FreeRunsTest, EmptyHasNothing) {
  EXPECT_EQ(runs_.total_granules(), 0U);
  EXPECT_EQ(runs_.Take(1, kGranuleSize), nullptr);
  EXPECT_EQ(runs_.Take(kGranulesPerArena - 1, kGranuleSize), nullptr);
  CheckAgainstModel();
}

TEST_F(FreeRunsTest, AWholeArenaIsOneRun) {
  Extend(0, kGranulesPerArena);
  BlockHeader* block = runs_.Take(kGranulesPerArena - 1, kGranuleSize);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(Number(block), 1U);
  EXPECT_EQ(runs_.total_granules(), 0U);
  EXPECT_EQ(runs_.Take(1, kGranuleSize), nullptr);
}

TEST_F(FreeRunsTest, RunsDoNotCrossArenas) {
  Extend(0, kGranulesPerArena);
  Extend(1, kGranulesPerArena);
  CheckAgainstModel();
  EXPECT_EQ(runs_.Take(kGranulesPerArena, kGranuleSize), nullptr);
}

TEST_F(FreeRunsTest, TakesTheShortestThatFits) {
  Extend(0, 101);
  // Runs of 10, 3 and 20 granules, parted by blocks of one.
  BlockHeader* all = runs_.Take(100, kGranuleSize);
  Use(all, 100);
  blocks_.clear();
  for (const size_t g : {0, 11, 15, 36}) {
    SetBlockBounds(all + g, 1);
    (all + g)->status = BlockStatus::kLarge;
  }
  Give(1 + 1, 10);
  Give(1 + 12, 3);
  Give(1 + 16, 20);
  CheckAgainstModel();
  EXPECT_EQ(runs_.Take(4, kGranuleSize), all + 1);
  EXPECT_EQ(runs_.Take(3, kGranuleSize), all + 12);
  EXPECT_EQ(runs_.Take(6, kGranuleSize), all + 5) << "the rest of the first";
}

TEST_F(FreeRunsTest, TakesAtAPlaceIfItIsFree) {
  Extend(0, 21);
  EXPECT_FALSE(runs_.TakeAt(Header(1), 21)) << "too long";
  ASSERT_TRUE(runs_.TakeAt(Header(1), 5));
  Use(Header(1), 5);
  CheckAgainstModel();
  EXPECT_FALSE(runs_.TakeAt(Header(1), 1)) << "in use";
  ASSERT_TRUE(runs_.TakeAt(Header(6), 15));
  Use(Header(6), 15);
  CheckAgainstModel();
}

TEST_F(FreeRunsTest, KnowsTheLengthBelow) {
  Extend(0, 50);
  EXPECT_EQ(FreeRuns::LengthBelow(Arena(0), 50), 49U);
  EXPECT_EQ(FreeRuns::LengthBelow(Arena(0), 1), 0U) << "the table";
  ASSERT_TRUE(runs_.TakeAt(Header(1), 9));
  Use(Header(1), 9);
  EXPECT_EQ(FreeRuns::LengthBelow(Arena(0), 10), 0U);
  EXPECT_EQ(FreeRuns::LengthBelow(Arena(0), 50), 40U);
}

TEST_F(FreeRunsTest, RandomOperationsAgreeWithTheModel) {
  std::mt19937_64 random(20240601);
  Extend(0, 40);
  int taken = 0;
  int refused = 0;
  int taken_at = 0;
  for (int step = 0; step < 6000; ++step) {
    const uint64_t what = random() % 100;
    if (what < 45) {
      const size_t granules = 1 + random() % (what < 40 ? 12 : 200);
      const size_t alignment = kGranuleSize << (what < 30 ? 0 : random() % 7);
      const size_t best = ModelBestFit(granules, alignment);
      BlockHeader* block = runs_.Take(granules, alignment);
      ASSERT_EQ(block == nullptr, best == 0) << "step " << step;
      if (block == nullptr) {
        ++refused;
      } else {
        ASSERT_EQ(BlockStart(block) % alignment, 0U);
        // Best fit: nothing shorter had room.
        const size_t before = LengthOfTheRunAround(block, granules);
        ASSERT_EQ(before, best) << "step " << step;
        Use(block, granules);
        ++taken;
      }
    } else if (what < 55 && !blocks_.empty()) {
      // Grow a block in place.
      const auto [first, granules] = RandomBlock(random());
      if ((first + granules) % kGranulesPerArena != 0 &&
          first % kGranulesPerArena + granules <
              Arena(first / kGranulesPerArena)->limit) {
        const size_t more = 1 + random() % 5;
        const bool can = ModelRun(first + granules) >= more;
        ASSERT_EQ(runs_.TakeAt(Header(first + granules), more), can);
        if (can) {
          for (size_t i = 0; i < more; ++i)
            in_use_[first + granules + i] = true;
          SetBlockBounds(Header(first), granules + more);
          blocks_[first] = granules + more;
          ++taken_at;
        }
      }
    } else if (what < 95 && !blocks_.empty()) {
      const auto [first, granules] = RandomBlock(random());
      blocks_.erase(first);
      Give(first, granules);
    } else {
      const size_t arena = random() % kArenas;
      const size_t limit = Arena(arena)->limit;
      if (limit < kGranulesPerArena) {
        Extend(arena, Min(kGranulesPerArena, limit + 1 + random() % 40));
      }
    }
    CheckAgainstModel();
    if (HasFatalFailure()) FAIL() << "step " << step;
  }
  EXPECT_GT(taken, 1000);
  EXPECT_GT(refused, 100);
  EXPECT_GT(taken_at, 50);
}

}  // namespace
}  // namespace memalloc
