// The statistics as JSON: one object, with the names of memalloc.h.

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/json.h"
#include "memalloc/observe/report_writer.h"
#include "memalloc/observe/statistics.h"
#include "memalloc/observe/statistics_parts.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

void WriteExtent(Json& json, const char* name,
                 const struct memalloc_extent& extent) {
  json.Begin('{', name);
  json.Number("bytes", extent.bytes);
  json.Number("resident", extent.resident);
  json.End('}');
}

void WriteCalls(Json& json, const char* name, uint64_t allocations,
                uint64_t frees) {
  json.Begin('{', name);
  json.Number("allocations", allocations);
  json.Number("frees", frees);
  json.End('}');
}

void WriteClass(Json& json, const struct memalloc_class_statistics& row) {
  json.Begin('{');
  json.Number("cell_size", row.cell_size);
  json.Number("blocks", row.blocks);
  WriteExtent(json, "memory", row.memory);
  for (const CellCount& count : kCellCounts) {
    json.Number(count.name, row.*count.value);
  }
  json.Number("allocations", row.allocations);
  json.Number("frees", row.frees);
  json.End('}');
}

}  // namespace

void WriteStatisticsJson(ReportWriter& writer) {
  struct memalloc_statistics statistics;
  TakeStatistics(&statistics, Residents::kLookAt);
  Json json(writer, ",\n");
  json.Begin('{');
  json.Word("program", ProgramsName());
  json.Number("pid", static_cast<uint64_t>(os::ProcessId()));
  json.Number("milliseconds", statistics.milliseconds);
  WriteExtent(json, "total", statistics.total);
  json.Begin('{', "parts");
  for (const Part& part : kParts) {
    WriteExtent(json, part.name, statistics.*part.extent);
  }
  json.End('}');
  WriteCalls(json, "all", statistics.allocations, statistics.frees);
  WriteCalls(json, "large", statistics.large_allocations,
             statistics.large_frees);
  WriteCalls(json, "huge", statistics.huge_allocations, statistics.huge_frees);
  for (const Figure& figure : kFigures) {
    json.Number(figure.name, statistics.*figure.value);
  }
  json.Begin('{', "system_calls");
  for (const SystemCallCount& call : kSystemCalls) {
    json.Number(call.name, statistics.*call.value);
  }
  json.End('}');
  json.Begin('[', "classes");
  for (const struct memalloc_class_statistics& row : statistics.classes) {
    if (IsUsed(row)) WriteClass(json, row);
  }
  json.End(']');
  json.End('}');
  writer.Char('\n');
}

}  // namespace memalloc
