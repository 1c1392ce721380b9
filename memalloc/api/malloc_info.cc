// glibc's calls that look into the allocator, from <malloc.h>.
//
// The figures come from one snapshot; see memalloc.h for their meaning.
// malloc_trim(3) gives back all free memory that can be reached, in the middle
// of the heap too, and leaves `pad` bytes below the break, without pages; it
// returns 1 only if any memory went back.

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>

#include "memalloc/api/link_unit.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/hardened_allocator.h"
#include "memalloc/heap/watched_calls.h"
#include "memalloc/observe/reports.h"
#include "memalloc/observe/statistics.h"
#include "memalloc/observe/statistics_parts.h"

#define MEMALLOC_EXPORT extern "C" __attribute__((visibility("default"), used))

namespace {

// The sizes that the class's cells serve, as glibc says it, and its counts.
void PrintClass(FILE* stream, uint64_t from,
                const struct memalloc_class_statistics& row) {
  fprintf(stream, "  <size from=\"%ju\" to=\"%ju\" blocks=\"%ju\"",
          uintmax_t{from}, uintmax_t{row.cell_size}, uintmax_t{row.blocks});
  for (const memalloc::CellCount& count : memalloc::kCellCounts) {
    fprintf(stream, " %s=\"%ju\"", count.name, uintmax_t{row.*count.value});
  }
  fprintf(stream, " allocations=\"%ju\" frees=\"%ju\"/>\n",
          uintmax_t{row.allocations}, uintmax_t{row.frees});
}

void PrintExtent(FILE* stream, const char* element, const char* name,
                 const struct memalloc_extent& extent) {
  fprintf(stream, "  <%s type=\"%s\" size=\"%ju\" resident=\"%ju\"/>\n",
          element, name, uintmax_t{extent.bytes}, uintmax_t{extent.resident});
}

}  // namespace

// "Mapped" are huge blocks; what a thread has ready takes the place of glibc's
// fast bins.
MEMALLOC_EXPORT struct mallinfo2 mallinfo2() noexcept {
  struct memalloc_statistics statistics;
  memalloc::TakeStatistics(&statistics, memalloc::Residents::kLeaveOut);
  struct mallinfo2 info = {};
  info.arena = statistics.total.bytes - statistics.live_huge.bytes -
               statistics.huge_spare.bytes - statistics.huge_cache.bytes;
  info.uordblks = statistics.live_cells.bytes + statistics.live_large.bytes;
  info.fordblks = info.arena - info.uordblks;
  info.hblks = statistics.huge_blocks;
  info.hblkhd = statistics.live_huge.bytes;
  for (const struct memalloc_class_statistics& row : statistics.classes) {
    info.ordblks += row.free + row.purged;
    info.smblks += row.at_hand;
  }
  info.fsmblks = statistics.bins.bytes + statistics.magazines.bytes;
  return info;
}

// The old form has int fields; glibc lets them wrap, and so do we.
MEMALLOC_EXPORT struct mallinfo mallinfo() noexcept {
  const struct mallinfo2 wide = mallinfo2();
  struct mallinfo info = {};
  info.arena = static_cast<int>(wide.arena);
  info.ordblks = static_cast<int>(wide.ordblks);
  info.smblks = static_cast<int>(wide.smblks);
  info.hblks = static_cast<int>(wide.hblks);
  info.hblkhd = static_cast<int>(wide.hblkhd);
  info.fsmblks = static_cast<int>(wide.fsmblks);
  info.uordblks = static_cast<int>(wide.uordblks);
  info.fordblks = static_cast<int>(wide.fordblks);
  return info;
}

MEMALLOC_EXPORT void malloc_stats() noexcept {
  memalloc::WriteReport("stats", "stderr");
}

MEMALLOC_EXPORT int malloc_info(int options, FILE* stream) noexcept {
  if (options != 0) {
    errno = EINVAL;
    return -1;
  }
  struct memalloc_statistics statistics;
  memalloc::TakeStatistics(&statistics, memalloc::Residents::kLookAt);
  fprintf(stream, "<malloc version=\"memalloc-1\">\n<sizes>\n");
  uint64_t below = 0;
  for (const struct memalloc_class_statistics& row : statistics.classes) {
    if (memalloc::IsUsed(row)) PrintClass(stream, below + 1, row);
    below = row.cell_size;
  }
  fprintf(stream, "</sizes>\n<parts>\n");
  for (const memalloc::Part& part : memalloc::kParts) {
    PrintExtent(stream, "part", part.name, statistics.*part.extent);
  }
  fprintf(stream, "</parts>\n");
  PrintExtent(stream, "total", "all", statistics.total);
  fprintf(stream,
          "<blocks type=\"current\" size=\"%ju\" count=\"%ju\"/>\n"
          "<blocks type=\"max\" size=\"%ju\"/>\n"
          "<system type=\"current\" size=\"%ju\"/>\n"
          "</malloc>\n",
          uintmax_t{memalloc::LiveBytes(statistics)},
          uintmax_t{statistics.blocks}, uintmax_t{statistics.peak_block_bytes},
          uintmax_t{statistics.heap_bytes});
  return ferror(stream) != 0 ? -1 : 0;
}

MEMALLOC_EXPORT int malloc_trim(size_t pad) noexcept {
  if constexpr (memalloc::kIsHardened) memalloc::hardened::EmptyQuarantine();
  const memalloc::OwnHeapScope scope;
  return memalloc::g_central_heap.Trim(pad) ? 1 : 0;
}
