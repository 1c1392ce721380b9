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
#include "memalloc/observe/summary.h"

#define MEMALLOC_EXPORT extern "C" __attribute__((visibility("default"), used))

MEMALLOC_EXPORT struct mallinfo2 mallinfo2() noexcept {
  const memalloc::Summary summary = memalloc::TakeSummary();
  struct mallinfo2 info = {};
  info.arena = summary.heap_bytes;
  info.uordblks = summary.live_bytes;
  info.fordblks = summary.heap_bytes - summary.live_bytes;
  return info;
}

// The old form has int fields; glibc lets them wrap, and so do we.
MEMALLOC_EXPORT struct mallinfo mallinfo() noexcept {
  const struct mallinfo2 wide = mallinfo2();
  struct mallinfo info = {};
  info.arena = static_cast<int>(wide.arena);
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
  const memalloc::Summary summary = memalloc::TakeSummary();
  const int written =
      fprintf(stream,
              "<malloc version=\"memalloc-1\">\n"
              "<system type=\"current\" size=\"%ju\"/>\n"
              "<blocks type=\"current\" size=\"%ju\" count=\"%ju\"/>\n"
              "<blocks type=\"max\" size=\"%ju\"/>\n"
              "</malloc>\n",
              static_cast<uintmax_t>(summary.heap_bytes),
              static_cast<uintmax_t>(summary.live_bytes),
              static_cast<uintmax_t>(summary.blocks),
              static_cast<uintmax_t>(summary.peak_bytes));
  return written < 0 ? -1 : 0;
}

MEMALLOC_EXPORT int malloc_trim(size_t pad) noexcept {
  if constexpr (memalloc::kIsHardened) memalloc::hardened::EmptyQuarantine();
  const memalloc::OwnHeapScope scope;
  return memalloc::g_central_heap.Trim(pad) ? 1 : 0;
}
