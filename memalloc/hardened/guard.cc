// Where guard pages stand; see guard.h.

#include "memalloc/hardened/guard.h"

#include <atomic>

#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/constants.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Guards that PlaceGuard placed. Those that stay where they are, round tables,
// are few, and go with their memory.
std::atomic<size_t> g_guards{0};

void PlaceForEver(uintptr_t start, uintptr_t end) {
  if (start < end && GetOption(Option::kGuardPages) != 0) {
    os::Protect(start, end - start);
  }
}

}  // namespace

bool MayGuard() {
  // Not exact when threads race, and need not be.
  static std::atomic<uint64_t> second{0};
  static std::atomic<uint32_t> guards{0};
  const uint64_t now = os::NowMilliseconds() / 1024;
  if (second.load(std::memory_order_relaxed) != now) {
    second.store(now, std::memory_order_relaxed);
    guards.store(0, std::memory_order_relaxed);
  }
  if (guards.load(std::memory_order_relaxed) >= kMaxGuardsPerSecond) {
    return false;
  }
  guards.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool PlaceGuard(uintptr_t start, uintptr_t end) {
  if (start >= end || GetOption(Option::kGuardPages) == 0) return false;
  // Only a bound: no order with anything else.
  if (g_guards.fetch_add(1, std::memory_order_relaxed) < kMaxGuards &&
      os::Protect(start, end - start)) {
    return true;
  }
  g_guards.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

bool LiftGuard(uintptr_t start, uintptr_t end) {
  if (!os::Unprotect(start, end - start)) return false;
  g_guards.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

void GuardTable(uintptr_t arena, uintptr_t table, size_t behind) {
  const size_t page = os::PageSize();
  const size_t table_size = kGranulesPerArena * sizeof(BlockHeader);
  PlaceForEver(arena, RoundDown(table, page));
  PlaceForEver(RoundUp(table + table_size + behind, page),
               arena + kGranuleSize);
}

void GuardEnds(uintptr_t* start, uintptr_t* end) {
  const size_t page = os::PageSize();
  if (*end - *start < 4 * page) return;
  PlaceForEver(*start, *start + page);
  PlaceForEver(*end - page, *end);
  *start += page;
  *end -= page;
}

}  // namespace memalloc
