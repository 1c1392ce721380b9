// memalloc's own calls, as memalloc.h promises them.

#define MEMALLOC_BUILDING
#include <string.h>

#include "memalloc/api/link_unit.h"
#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/hardened_allocator.h"
#include "memalloc/heap/watched_calls.h"
#include "memalloc/memalloc.h"
#include "memalloc/observe/profile.h"
#include "memalloc/observe/reports.h"
#include "memalloc/observe/statistics.h"
#include "memalloc/observe/summary.h"
#include "memalloc/runtime/options.h"
#include "memalloc/runtime/runtime.h"

const char* memalloc_version() { return "0.1.0"; }

int memalloc_owns(const void* pointer) { return memalloc::Owns(pointer); }

size_t memalloc_good_size(size_t size, size_t alignment) {
  return memalloc::front::GoodSize(size, memalloc::Max<size_t>(alignment, 1));
}

MEMALLOC_ENTRY int memalloc_check_heap() {
  if constexpr (memalloc::kIsHardened) memalloc::hardened::CheckQuarantine();
  const memalloc::OwnHeapScope scope;
  memalloc::g_central_heap.Check(memalloc::t_heap);
  memalloc::g_guard_pool.Check();
  return 1;
}

int memalloc_start_background_thread() {
  return memalloc::StartBackgroundThread();
}

void memalloc_stop_background_thread() { memalloc::StopBackgroundThread(); }

void memalloc_get_summary(struct memalloc_summary* summary) {
  const memalloc::Summary taken = memalloc::TakeSummary();
  summary->live_bytes = taken.live_bytes;
  summary->peak_bytes = taken.peak_bytes;
  summary->heap_bytes = taken.heap_bytes;
  summary->arenas = taken.arenas;
  summary->blocks = taken.blocks;
  summary->threads = taken.threads;
  summary->rss_bytes = taken.rss_bytes;
  summary->peak_rss_bytes = taken.peak_rss_bytes;
}

void memalloc_get_statistics(struct memalloc_statistics* statistics,
                             size_t size) {
  struct memalloc_statistics taken;
  memalloc::TakeStatistics(&taken, memalloc::Residents::kLookAt);
  memset(statistics, 0, size);
  memcpy(statistics, &taken, memalloc::Min(size, sizeof(taken)));
}

int memalloc_write_report(const char* kind, const char* path) {
  return memalloc::WriteReport(kind, path);
}

void memalloc_mark_profile() { memalloc::MarkProfile(); }

int memalloc_set_option(const char* name, const char* value) {
  return memalloc::SetOptionByName(name, value);
}

int memalloc_get_option(const char* name, char* value, size_t size) {
  return memalloc::PrintOption(name, value, size);
}
