// What the reports of statistics have in common: the parts of which the heap's
// memory is the sum, the single figures, and their names. Layer: observe.

#ifndef MEMALLOC_OBSERVE_STATISTICS_PARTS_H_
#define MEMALLOC_OBSERVE_STATISTICS_PARTS_H_

#include <stdint.h>

#include "memalloc/memalloc.h"

namespace memalloc {

enum class PartGroup : uint8_t { kLive, kAtHand, kFree, kOwn };
inline constexpr const char* kGroupTitles[] = {
    "in use",
    "ready for threads",
    "free",
    "memalloc's own",
};

struct Part {
  PartGroup group;
  const char* name;   // for programs
  const char* title;  // for people
  struct memalloc_extent memalloc_statistics::*extent;
};

// Group by group.
inline constexpr Part kParts[] = {
    {PartGroup::kLive, "live_cells", "cells", &memalloc_statistics::live_cells},
    {PartGroup::kLive, "live_large", "large blocks",
     &memalloc_statistics::live_large},
    {PartGroup::kLive, "live_huge", "huge blocks",
     &memalloc_statistics::live_huge},
    {PartGroup::kLive, "guarded", "guarded allocations",
     &memalloc_statistics::guarded},
    {PartGroup::kAtHand, "bins", "bins", &memalloc_statistics::bins},
    {PartGroup::kAtHand, "magazines", "magazines",
     &memalloc_statistics::magazines},
    {PartGroup::kAtHand, "large_magazines", "magazines, large blocks",
     &memalloc_statistics::large_magazines},
    {PartGroup::kAtHand, "travelling", "on the way between threads",
     &memalloc_statistics::travelling},
    {PartGroup::kFree, "free_cells", "cells", &memalloc_statistics::free_cells},
    {PartGroup::kFree, "purged_cells", "cells, purged",
     &memalloc_statistics::purged_cells},
    {PartGroup::kFree, "uncarved", "not carved yet",
     &memalloc_statistics::uncarved},
    {PartGroup::kFree, "free_runs", "free runs",
     &memalloc_statistics::free_runs},
    {PartGroup::kFree, "huge_spare", "behind huge blocks",
     &memalloc_statistics::huge_spare},
    {PartGroup::kFree, "huge_cache", "cached for huge blocks",
     &memalloc_statistics::huge_cache},
    {PartGroup::kOwn, "tables", "block headers", &memalloc_statistics::tables},
    {PartGroup::kOwn, "thread_heaps", "thread heaps",
     &memalloc_statistics::thread_heaps},
    {PartGroup::kOwn, "address_map", "address map",
     &memalloc_statistics::address_map},
    {PartGroup::kOwn, "profile", "heap profile", &memalloc_statistics::profile},
};

// A figure that stands alone.
struct Figure {
  const char* name;
  const char* help;
  bool only_grows;
  uint64_t memalloc_statistics::*value;
};

inline constexpr Figure kFigures[] = {
    {"knows_residents", "0 if the kernel does not say which pages are resident",
     false, &memalloc_statistics::knows_residents},
    {"rounding_estimate_bytes", "Part of live_cells that came by rounding up",
     false, &memalloc_statistics::rounding_estimate},
    {"process_resident_bytes", "Resident bytes of the whole process", false,
     &memalloc_statistics::process_resident_bytes},
    {"process_peak_resident_bytes", "Their peak", false,
     &memalloc_statistics::process_peak_resident_bytes},
    {"peak_block_bytes", "The most that blocks in use spanned", false,
     &memalloc_statistics::peak_block_bytes},
    {"heap_bytes", "Granules and mappings of huge blocks", false,
     &memalloc_statistics::heap_bytes},
    {"arenas", "Regions of 16 MiB", false, &memalloc_statistics::arenas},
    {"blocks", "Blocks in use", false, &memalloc_statistics::blocks},
    {"large_blocks", "Large blocks in use", false,
     &memalloc_statistics::large_blocks},
    {"huge_blocks", "Huge blocks in use", false,
     &memalloc_statistics::huge_blocks},
    {"threads", "Threads with a heap", false, &memalloc_statistics::threads},
    {"parked_heaps", "Heaps of ended threads, as they were", false,
     &memalloc_statistics::parked_heaps},
    {"idle_heaps", "Heaps of ended threads, empty", false,
     &memalloc_statistics::idle_heaps},
    {"lock_acquisitions", "Acquisitions of the heap's locks", true,
     &memalloc_statistics::lock_acquisitions},
    {"lock_waits", "Those that waited for another thread", true,
     &memalloc_statistics::lock_waits},
    {"purged_bytes", "Bytes of pages given back", true,
     &memalloc_statistics::purged_bytes},
    {"purge_calls", "Calls that gave them back", true,
     &memalloc_statistics::purge_calls},
};

struct SystemCallCount {
  const char* name;
  uint64_t memalloc_statistics::*value;
};

inline constexpr SystemCallCount kSystemCalls[] = {
    {"brk", &memalloc_statistics::brk_calls},
    {"mmap", &memalloc_statistics::mmap_calls},
    {"munmap", &memalloc_statistics::munmap_calls},
    {"mremap", &memalloc_statistics::mremap_calls},
    {"madvise", &memalloc_statistics::madvise_calls},
    {"mprotect", &memalloc_statistics::mprotect_calls},
    {"mincore", &memalloc_statistics::mincore_calls},
    {"futex", &memalloc_statistics::futex_calls},
    {"file", &memalloc_statistics::file_calls},
};

// Counts of cells of a class.
struct CellCount {
  const char* name;
  uint64_t memalloc_class_statistics::*value;
};

inline constexpr CellCount kCellCounts[] = {
    {"live", &memalloc_class_statistics::live},
    {"at_hand", &memalloc_class_statistics::at_hand},
    {"travelling", &memalloc_class_statistics::travelling},
    {"free", &memalloc_class_statistics::free},
    {"purged", &memalloc_class_statistics::purged},
    {"uncarved", &memalloc_class_statistics::uncarved},
};

inline bool IsUsed(const struct memalloc_class_statistics& row) {
  return row.blocks != 0 || row.allocations != 0;
}

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_STATISTICS_PARTS_H_
