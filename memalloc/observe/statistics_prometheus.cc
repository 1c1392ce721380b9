// The statistics in Prometheus' text format, version 0.0.4.
//
// Each metric begins with its HELP and TYPE and keeps its samples together, as
// the format wants it. A size class shows up once it was used.

#include <stdint.h>

#include "memalloc/observe/report_writer.h"
#include "memalloc/observe/statistics.h"
#include "memalloc/observe/statistics_parts.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

class Metric {
 public:
  // Counters only grow, and their names end in _total.
  Metric(ReportWriter& writer, const char* name, const char* help,
         bool is_counter)
      : writer_(writer), name_(name), suffix_(is_counter ? "_total" : "") {
    writer_.Text("# HELP ");
    Name().Char(' ').Text(help).Text("\n# TYPE ");
    Name().Text(is_counter ? " counter\n" : " gauge\n");
  }

  void Sample(uint64_t value) {
    Name();
    Value(value);
  }
  void Sample(const char* label, const char* text, uint64_t value) {
    Name().Char('{').Text(label).Text("=\"").Text(text).Text("\"}");
    Value(value);
  }
  // Of the cells of one size; `state` if it is not null.
  void SizeSample(uint64_t size, const char* state, uint64_t value) {
    Name().Text("{size=\"").Decimal(size).Char('"');
    if (state != nullptr) writer_.Text(",state=\"").Text(state).Char('"');
    writer_.Char('}');
    Value(value);
  }

 private:
  ReportWriter& Name() {
    return writer_.Text("memalloc_").Text(name_).Text(suffix_);
  }
  void Value(uint64_t value) { writer_.Char(' ').Decimal(value).Char('\n'); }

  ReportWriter& writer_;
  const char* name_;
  const char* suffix_;
};

using Statistics = struct memalloc_statistics;
using ClassStatistics = struct memalloc_class_statistics;

void WriteExtents(ReportWriter& writer, const Statistics& statistics) {
  Metric resident(writer, "resident_bytes",
                  "Bytes in resident pages; the parts are all that memalloc "
                  "causes",
                  /*is_counter=*/false);
  for (const Part& part : kParts) {
    resident.Sample("part", part.name, (statistics.*part.extent).resident);
  }
  Metric mapped(writer, "mapped_bytes", "The same, resident or not",
                /*is_counter=*/false);
  for (const Part& part : kParts) {
    mapped.Sample("part", part.name, (statistics.*part.extent).bytes);
  }
}

void WriteCalls(ReportWriter& writer, const Statistics& statistics,
                const char* name, const char* help,
                uint64_t ClassStatistics::*of_class, uint64_t large,
                uint64_t huge) {
  Metric metric(writer, name, help, /*is_counter=*/true);
  for (const ClassStatistics& row : statistics.classes) {
    if (IsUsed(row)) metric.SizeSample(row.cell_size, nullptr, row.*of_class);
  }
  metric.Sample("size", "large", large);
  metric.Sample("size", "huge", huge);
}

void WriteClasses(ReportWriter& writer, const Statistics& statistics) {
  Metric cells(writer, "cells", "Cells of blocks, by size and state",
               /*is_counter=*/false);
  for (const ClassStatistics& row : statistics.classes) {
    if (!IsUsed(row)) continue;
    for (const CellCount& count : kCellCounts) {
      cells.SizeSample(row.cell_size, count.name, row.*count.value);
    }
  }
  Metric resident(writer, "class_resident_bytes",
                  "Resident bytes of blocks, by cell size",
                  /*is_counter=*/false);
  for (const ClassStatistics& row : statistics.classes) {
    if (!IsUsed(row)) continue;
    resident.SizeSample(row.cell_size, nullptr, row.memory.resident);
  }
}

}  // namespace

void WriteStatisticsPrometheus(ReportWriter& writer) {
  Statistics statistics;
  TakeStatistics(&statistics, Residents::kLookAt);
  writer.Text("# HELP memalloc_info The process\n");
  writer.Text("# TYPE memalloc_info gauge\nmemalloc_info{program=");
  writer.Quoted(ProgramsName());
  writer.Text(",pid=\"").Decimal(static_cast<uint64_t>(os::ProcessId()));
  writer.Text("\"} 1\n");
  WriteExtents(writer, statistics);
  WriteCalls(writer, statistics, "allocations", "Allocations",
             &ClassStatistics::allocations, statistics.large_allocations,
             statistics.huge_allocations);
  WriteCalls(writer, statistics, "frees", "Allocations that were freed",
             &ClassStatistics::frees, statistics.large_frees,
             statistics.huge_frees);
  WriteClasses(writer, statistics);
  for (const Figure& figure : kFigures) {
    Metric metric(writer, figure.name, figure.help, figure.only_grows);
    metric.Sample(statistics.*figure.value);
  }
  Metric calls(writer, "system_calls", "System calls", /*is_counter=*/true);
  for (const SystemCallCount& call : kSystemCalls) {
    calls.Sample("call", call.name, statistics.*call.value);
  }
}

}  // namespace memalloc
