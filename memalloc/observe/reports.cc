// The table of reports; see reports.h.

#include "memalloc/observe/reports.h"

#include <errno.h>
#include <string.h>

#include "memalloc/base/line_buffer.h"
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
  return writer.Flush();
}

void TellFailure(const Report& report, const char* path, int error) {
  LineBuffer line;
  line.Text("memalloc: cannot write ").Text(report.kind).Text(" to ");
  line.Text(path).Text(": error ").Decimal(static_cast<uint64_t>(error));
  line.Text("; see docs/errors.md#cannot-write").EndLine();
  os::WriteToStderr(line.data(), line.size());
}

// A destructor of the whole library: it runs after the program's own exit
// handlers, in a process that ends by exit or by returning from main.
__attribute__((destructor)) void AtExit() { WriteWantedReports(); }

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

void WriteWantedReports() {
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

}  // namespace memalloc
