// The program break, shared with foreign callers of sbrk, and the break that
// cannot move.
//
// What a foreign caller got from sbrk is its own for good, wherever it lies
// between our regions: it is filled with a pattern, checked at the end, and
// memalloc must not call it its own. sbrk is not safe against itself in two
// threads (that is libc's), so foreign callers in other threads take turns with
// those that allocate.
//
// Where a mapping stands right above the break, the heap grows elsewhere.

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "testing/contract/allocator_in_charge.h"
#include "testing/contract/pattern.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"

namespace process {
namespace {

// Memory that a foreign caller took from the break.
class ForeignAreas {
 public:
  void Take(size_t size) {
    REQUIRE(count_ < kMax);
    void* start = sbrk(static_cast<intptr_t>(size));
    REQUIRE(start != reinterpret_cast<void*>(-1));
    contract::FillPattern(start, size, count_);
    areas_[count_++] = {start, size};
  }

  // Gives the last one back, as a careful foreign caller does: only if nobody
  // has moved the break since.
  void GiveBackLast() {
    const Area& last = areas_[count_ - 1];
    if (sbrk(0) != static_cast<char*>(last.start) + last.size) return;
    Check();
    REQUIRE(sbrk(-static_cast<intptr_t>(last.size)) !=
            reinterpret_cast<void*>(-1));
    --count_;
  }

  void Check() const {
    for (size_t i = 0; i < count_; ++i) {
      const Area& area = areas_[i];
      REQUIRE(contract::FindDamage(area.start, area.size, area.size, i) ==
              area.size);
      REQUIRE(static_cast<char*>(area.start) + area.size <=
              static_cast<char*>(sbrk(0)));
    }
  }

  void CheckNotOwned() const {
    for (size_t i = 0; i < count_; ++i) {
      const auto* start = static_cast<const char*>(areas_[i].start);
      REQUIRE(!contract::OwnedByMemalloc(start));
      REQUIRE(!contract::OwnedByMemalloc(start + areas_[i].size - 1));
    }
  }

 private:
  static constexpr size_t kMax = 1000;
  struct Area {
    void* start;
    size_t size;
  };
  Area areas_[kMax];
  size_t count_ = 0;
};

ForeignAreas g_foreign;
void* g_guard = nullptr;

// Puts an inaccessible page right above the break.
void BlockTheBreak() {
  const auto page = static_cast<uintptr_t>(getpagesize());
  const uintptr_t above =
      (reinterpret_cast<uintptr_t>(sbrk(0)) + page - 1) / page * page;
  g_guard = mmap(reinterpret_cast<void*>(above), page, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  REQUIRE(g_guard == reinterpret_cast<void*>(above));
}

void Preinit(int argc, char** argv, char**) {
  const std::string scenario = ScenarioOf(argc, argv);
  if (scenario == "ForeignCallerBeforeFirstMalloc") {
    for (size_t size : {1, 13, 4097, 70001}) g_foreign.Take(size);
  }
  if (scenario == "BreakBlockedFromTheStart") BlockTheBreak();
}

__attribute__((section(".preinit_array"),
               used)) void (*const g_preinit)(int, char**, char**) = Preinit;

// Odd and even sizes, smaller and larger than pages and arenas.
size_t ForeignSize(uint64_t number) {
  constexpr size_t kSizes[] = {1,      8,         1000,     4096,     4097,
                               100000, 64 * kKiB, 3 * kMiB, 17 * kMiB};
  return kSizes[number % (sizeof(kSizes) / sizeof(kSizes[0]))];
}

// About 10 MiB in blocks of all kinds.
void Grow(std::vector<Block>* blocks, uint64_t seed) {
  for (uint64_t i = 0; i < 1500; ++i) {
    blocks->push_back(MakeAnyBlock(seed * 10000 + i));
  }
  for (uint64_t i = 0; i < 20; ++i) {
    blocks->push_back(MakeBlock(300 * kKiB, seed * 10000 + i));
    REQUIRE(blocks->back().pointer != nullptr);
  }
}

void ReleaseAll(std::vector<Block>* blocks) {
  for (Block& block : *blocks) ReleaseBlock(&block);
  blocks->clear();
}

void ForeignCallerBetweenOurs() {
  std::vector<Block> blocks;
  for (uint64_t round = 0; round < 12; ++round) {
    Grow(&blocks, round);
    g_foreign.Take(ForeignSize(round));
    if (round % 3 == 0) g_foreign.Take(ForeignSize(round * 7));
    if (round % 4 == 0) g_foreign.GiveBackLast();
  }
  g_foreign.Check();
  for (const Block& block : blocks) CheckBlock(block);
  ReleaseAll(&blocks);
  malloc_trim(0);
  g_foreign.Check();
  for (uint64_t round = 0; round < 4; ++round) {
    Grow(&blocks, round);
    g_foreign.Take(ForeignSize(round));
  }
  ReleaseAll(&blocks);
  g_foreign.Check();
}

void ForeignMemoryIsNotOwned() {
  std::vector<Block> blocks;
  for (uint64_t round = 0; round < 12; ++round) {
    Grow(&blocks, round);
    g_foreign.Take(ForeignSize(round));
  }
  g_foreign.CheckNotOwned();
  ReleaseAll(&blocks);
  g_foreign.CheckNotOwned();
}

// The heap shrinks when everything is freed; never past foreign memory.
void TrimStopsAtForeignMemory() {
  std::vector<Block> blocks;
  for (uint64_t round = 0; round < 5; ++round) {
    Grow(&blocks, round);
    Grow(&blocks, round + 100);
    g_foreign.Take(5000);
    ReleaseAll(&blocks);
    malloc_trim(0);
    g_foreign.Check();
    // Ours is on top now, and foreign memory below it.
    Grow(&blocks, round);
    ReleaseAll(&blocks);
    malloc_trim(0);
    g_foreign.Check();
  }
}

void ForeignCallersInOtherThreads() {
  static std::mutex turn;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::vector<Block> blocks;
      for (uint64_t round = 0; round < 4; ++round) {
        const std::lock_guard<std::mutex> lock(turn);
        Grow(&blocks, t * 100 + round);
        g_foreign.Check();
      }
      const std::lock_guard<std::mutex> lock(turn);
      ReleaseAll(&blocks);
    });
    threads.emplace_back([t] {
      for (uint64_t round = 0; round < 20; ++round) {
        const std::lock_guard<std::mutex> lock(turn);
        g_foreign.Take(ForeignSize(t * 100 + round) % kMiB + 1);
        if (round % 3 == 0) g_foreign.GiveBackLast();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  g_foreign.Check();
}

void ForeignCallerBeforeFirstMalloc() {
  g_foreign.Check();
  ForeignCallerBetweenOurs();
}

// sbrk takes a signed number: what is larger would lower the break.
void ImpossibleRequestsLeaveTheBreak() {
  std::vector<Block> blocks;
  Grow(&blocks, 1);
  void* before = sbrk(0);
  for (size_t size :
       {SIZE_MAX, SIZE_MAX - 4095, SIZE_MAX - 64 * kKiB, SIZE_MAX - 16 * kMiB,
        size_t{PTRDIFF_MAX} + 1, size_t{PTRDIFF_MAX}, SIZE_MAX / 4 * 3}) {
    REQUIRE(malloc(size) == nullptr);
    REQUIRE(calloc(1, size) == nullptr);
    REQUIRE(memalign(64, size) == nullptr);
    REQUIRE(realloc(blocks[0].pointer, size) == nullptr);
    REQUIRE(sbrk(0) == before);
  }
  for (const Block& block : blocks) CheckBlock(block);
  ReleaseAll(&blocks);
}

// Grows far beyond what was there when the break was blocked.
void GrowPastTheGuard() {
  std::vector<Block> blocks;
  for (uint64_t round = 0; round < 8; ++round) Grow(&blocks, round);
  REQUIRE(reinterpret_cast<uintptr_t>(sbrk(0)) <=
          reinterpret_cast<uintptr_t>(g_guard));
  for (const Block& block : blocks) {
    CheckBlock(block);
    REQUIRE(contract::OwnedByMemalloc(block.pointer) ==
            contract::kExpectMemalloc);
  }
  std::thread([&blocks] { ReleaseAll(&blocks); }).join();
  malloc_trim(0);
  for (uint64_t round = 0; round < 5; ++round) Grow(&blocks, round);
  ReleaseAll(&blocks);
}

void BreakBlockedFromTheStart() { GrowPastTheGuard(); }

void BreakBlockedLaterAndFreedAgain() {
  std::vector<Block> blocks;
  for (uint64_t round = 0; round < 3; ++round) {
    Grow(&blocks, round);
    BlockTheBreak();
    GrowPastTheGuard();
    REQUIRE(munmap(g_guard, static_cast<size_t>(getpagesize())) == 0);
    g_foreign.Take(1000);
    for (uint64_t more = 0; more < 5; ++more) Grow(&blocks, round * 10 + more);
    g_foreign.Check();
  }
  ReleaseAll(&blocks);
  g_foreign.Check();
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> scenarios = {
      {"ForeignCallerBetweenOurs", ForeignCallerBetweenOurs},
      {"ForeignMemoryIsNotOwned", ForeignMemoryIsNotOwned},
      {"TrimStopsAtForeignMemory", TrimStopsAtForeignMemory},
      {"ForeignCallersInOtherThreads", ForeignCallersInOtherThreads},
      {"ForeignCallerBeforeFirstMalloc", ForeignCallerBeforeFirstMalloc},
      {"ImpossibleRequestsLeaveTheBreak", ImpossibleRequestsLeaveTheBreak},
      {"BreakBlockedFromTheStart", BreakBlockedFromTheStart},
      {"BreakBlockedLaterAndFreedAgain", BreakBlockedLaterAndFreedAgain},
  };
  scenarios.back().not_on_libc =
      "an assertion of its malloc fails when the break is unaligned then";
  return scenarios;
}

}  // namespace process
