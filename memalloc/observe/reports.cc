// The table of reports; see reports.h.

#include "memalloc/observe/reports.h"

#include <errno.h>
#include <string.h>

#include <atomic>

#include "memalloc/base/line_buffer.h"
#include "memalloc/base/lock.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/observe/heap_map.h"
#include "memalloc/observe/profile.h"
#include "memalloc/observe/report_writer.h"
#include "memalloc/observe/statistics.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/path_options.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

struct Report {
  const char* kind;
  PathOption path;
  // Of the reports with the same option the path's end chooses one; "" stands
  // for any and comes last.
  const char* ending;
  void (*write)(ReportWriter& writer);
};

constexpr Report kReports[] = {
    {"stats_json", PathOption::kStats, ".json", &WriteStatisticsJson},
    {"stats_prometheus", PathOption::kStats, ".prom",
     &WriteStatisticsPrometheus},
    {"stats", PathOption::kStats, "", &WriteStatisticsText},
    {"heap_map", PathOption::kHeapMap, "", &WriteHeapMap},
    {"profile_growth", PathOption::kProfile, ".growth.pb.gz", &WriteGrowth},
    {"profile_peak", PathOption::kProfile, ".peak.pb.gz", &WritePeak},
    {"profile_lifetimes", PathOption::kProfile, ".lifetimes.pb.gz",
     &WriteLifetimes},
    {"profile", PathOption::kProfile, "", &WriteProfile},
};

bool EndsWith(const char* text, const char* ending) {
  const size_t length = strlen(text);
  const size_t end = strlen(ending);
  return length >= end && strcmp(text + length - end, ending) == 0;
}

int Write(const Report& report, const char* path) {
  ReportWriter writer(path);
  report.write(writer);
  return writer.Finish();
}

void TellFailure(const Report& report, const char* path, int error) {
  LineBuffer line;
  line.Text("memalloc: cannot write ").Text(report.kind).Text(" to ");
  line.Text(path).Text(": error ").Decimal(static_cast<uint64_t>(error));
  line.Text("; see docs/errors.md#cannot-write").EndLine();
  os::WriteToStderr(line.data(), line.size());
}

void WriteEachWanted() {
  bool is_written[kNumPathOptions] = {};
  for (const Report& report : kReports) {
    bool& done = is_written[static_cast<size_t>(report.path)];
    const Path path = ExpandPath(GetPath(report.path).text);
    if (done || path.text[0] == '\0' || !EndsWith(path.text, report.ending)) {
      continue;
    }
    done = true;
    const int error = Write(report, path.text);
    if (error != 0) TellFailure(report, path.text, error);
  }
}

bool IsAnyWanted() {
  for (const Report& report : kReports) {
    if (GetPath(report.path).text[0] != '\0') return true;
  }
  return false;
}

// The process whose background thread is writing; 0 for none. A forked child
// has no such thread.
std::atomic<uint32_t> g_writing{0};
std::atomic<bool> g_ends{false};

// A destructor of the whole library: it runs after the program's own exit
// handlers, in a process that ends by exit or by returning from main. Both
// sides store before they load, so that one of them sees the other.
__attribute__((destructor)) void AtExit() {
  if (!IsAnyWanted()) return;
  if (!MayLookAtHeap()) {
    LineBuffer line;
    line.Text(
        "memalloc: no report: exit was called inside of malloc or free (by a "
        "signal handler?); see docs/errors.md#cannot-write");
    line.EndLine();
    return os::WriteToStderr(line.data(), line.size());
  }
  constexpr uint64_t kWait = 100;  // milliseconds
  constexpr int kWaits = 50;
  g_ends.store(true);
  const auto process = static_cast<uint32_t>(os::ProcessId());
  for (int i = 0; i < kWaits && g_writing.load() == process; ++i) {
    os::WaitWhile(g_writing, process, kWait);
  }
  WriteEachWanted();
}

}  // namespace

int WriteReport(const char* kind, const char* path) {
  if (kind == nullptr || path == nullptr) return EINVAL;
  for (const Report& report : kReports) {
    if (strcmp(report.kind, kind) == 0) {
      return Write(report, ExpandPath(path).text);
    }
  }
  return ENOENT;
}

bool MayLookAtHeap() {
  constexpr uint64_t kWait = 10;  // milliseconds
  constexpr int kWaits = 200;
  static const std::atomic<uint32_t> never{0};
  for (int i = 0;; ++i) {
    const LockState state =
        Max(g_central_heap.LookAtLocks(),
            Max(g_sampling_lock.Look(), g_guard_pool.LookAtLock()));
    if (state != LockState::kHeld || i == kWaits) {
      return state == LockState::kFree;
    }
    os::WaitWhile(never, 0, kWait);
  }
}

void WriteWantedReports() {
  g_writing.store(static_cast<uint32_t>(os::ProcessId()));
  if (!g_ends.load()) WriteEachWanted();
  g_writing.store(0);
  os::WakeAll(g_writing);
}

}  // namespace memalloc
