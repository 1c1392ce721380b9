// Implementation of outputs.h.

#include "tools/run/outputs.h"

#include <cstdlib>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "tools/run/command_line.h"
#include "tools/run/summary.h"

namespace memalloc::run {

absl::Status Outputs::Request() {
  const StatsFlag stats = absl::GetFlag(FLAGS_stats);
  const LeaksFlag leaks = absl::GetFlag(FLAGS_leaks);
  const std::string trace = absl::GetFlag(FLAGS_trace);
  is_any_ = stats.is_wanted || !trace.empty();
  if (stats.is_wanted) {
    if (absl::Status status = stats_file_.Create(); !status.ok()) return status;
  }
  if (!trace.empty()) {
    absl::Status status = trace_files_.Create(trace);
    if (!status.ok()) return status;
  }
  // Reports of which the allocator itself knows the kind.
  const struct {
    const char* what;
    const char* variable;
    std::string file;
  } wanted[] = {
      {"statistics", "MEMALLOC_STATS", stats.file},
      {"heap map", "MEMALLOC_HEAP_MAP", absl::GetFlag(FLAGS_heap_map)},
      {"heap profile", "MEMALLOC_PROFILE", absl::GetFlag(FLAGS_profile)},
      {"leak report", "MEMALLOC_LEAKS", leaks.file},
  };
  // Each byte is a sample.
  if (leaks.is_exact) setenv("MEMALLOC_SAMPLE_INTERVAL", "1", 1);
  for (const auto& report : wanted) {
    if (report.file.empty()) continue;
    is_any_ = true;
    ReportFile file;
    absl::Status status = file.Request(report.variable, report.file);
    if (!status.ok()) return status;
    reports_.push_back({report.what, std::move(file)});
  }
  return absl::OkStatus();
}

std::string Outputs::Describe(const std::string& name,
                              const Ending& ending) const {
  std::string text;
  if (absl::GetFlag(FLAGS_stats).is_wanted) {
    text = Summary(name, ending, stats_file_.Read());
  }
  for (const Report& report : reports_) {
    absl::StrAppend(&text, report.file.WhereItWent(report.what, ending.pid));
  }
  if (!absl::GetFlag(FLAGS_trace).empty()) {
    absl::StrAppend(&text, trace_files_.Describe());
  }
  return text;
}

}  // namespace memalloc::run
