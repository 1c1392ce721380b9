// The summary, and the line about it that a process leaves when it ends
// (MEMALLOC_STATS_FILE; read by tools/run).

#include "memalloc/observe/summary.h"

#include "memalloc/base/event_counts.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/observe/reports.h"
#include "memalloc/observe/statistics.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/path_options.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

// The program's name as one word.
void AppendName(LineBuffer& line, const char* name) {
  for (; *name != '\0'; ++name) {
    line.Char(*name > ' ' && *name <= '~' ? *name : '_');
  }
}

// A destructor of the whole library: it runs after the program's own exit
// handlers, in a process that ends by exit or by returning from main.
__attribute__((destructor)) void LeaveSummary() {
  // None in a preload that was never called, as the program has a malloc of its
  // own, which may be another copy of memalloc: that one speaks for the
  // process.
  const Path file = GetPath(PathOption::kStatsFile);
  if (file.text[0] == '\0' || !MayLookAtHeap()) return;
  const Summary summary = TakeSummary();
  if (summary.peak_bytes == 0) return;
  LineBuffer line;
  line.Text("pid=").Decimal(static_cast<uint64_t>(os::ProcessId()));
  line.Text(" program=");
  AppendName(line, ProgramsName());
  line.Text(" live_bytes=").Decimal(summary.live_bytes);
  line.Text(" peak_bytes=").Decimal(summary.peak_bytes);
  line.Text(" arenas=").Decimal(summary.arenas);
  line.Text(" blocks=").Decimal(summary.blocks);
  line.Text(" heap_bytes=").Decimal(summary.heap_bytes);
  line.Text(" rss_bytes=").Decimal(summary.rss_bytes);
  line.Text(" peak_rss_bytes=").Decimal(summary.peak_rss_bytes);
  line.Text(" threads=").Decimal(summary.threads);
  line.EndLine();
  os::AppendToFile(file.text, line.data(), line.size());
  if (!kCountsEvents) return;
  LineBuffer events;
  events.Text("pid=").Decimal(static_cast<uint64_t>(os::ProcessId()));
  AppendEventCounts(events);
  events.EndLine();
  os::AppendToFile(file.text, events.data(), events.size());
}

}  // namespace

Summary TakeSummary() {
  struct memalloc_statistics statistics;
  TakeStatistics(&statistics, Residents::kLeaveOut);
  Summary summary = {};
  summary.live_bytes = LiveBytes(statistics);
  summary.peak_bytes = statistics.peak_block_bytes;
  summary.heap_bytes = statistics.heap_bytes;
  summary.arenas = statistics.arenas;
  summary.blocks = statistics.blocks;
  summary.threads = statistics.threads;
  summary.rss_bytes = statistics.process_resident_bytes;
  summary.peak_rss_bytes = statistics.process_peak_resident_bytes;
  return summary;
}

}  // namespace memalloc
