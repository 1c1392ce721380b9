// The statistics as JSON: one object, with the names of memalloc.h.

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/report_writer.h"
#include "memalloc/observe/statistics.h"
#include "memalloc/observe/statistics_parts.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

// Writes objects and arrays, and the commas between what they hold.
class Json {
 public:
  explicit Json(ReportWriter& writer) : writer_(writer) {}

  // `name` is null in an array, and for the whole.
  void Begin(const char* name, char bracket) {
    Key(name);
    writer_.Char(bracket);
    is_first_ = true;
  }
  void End(char bracket) {
    writer_.Char(bracket);
    is_first_ = false;
  }
  void Number(const char* name, uint64_t value) {
    Key(name);
    writer_.Decimal(value);
  }
  // The value of the name follows.
  void Key(const char* name) {
    if (!is_first_) writer_.Text(",\n");
    is_first_ = false;
    if (name != nullptr) writer_.Char('"').Text(name).Text("\": ");
  }

 private:
  ReportWriter& writer_;
  bool is_first_ = true;
};

void WriteExtent(Json& json, const char* name,
                 const struct memalloc_extent& extent) {
  json.Begin(name, '{');
  json.Number("bytes", extent.bytes);
  json.Number("resident", extent.resident);
  json.End('}');
}

void WriteCalls(Json& json, const char* name, uint64_t allocations,
                uint64_t frees) {
  json.Begin(name, '{');
  json.Number("allocations", allocations);
  json.Number("frees", frees);
  json.End('}');
}

void WriteClass(Json& json, const struct memalloc_class_statistics& row) {
  json.Begin(nullptr, '{');
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

void WriteProgramsName(ReportWriter& writer) {
  for (const char* c = ProgramsName(); *c != '\0'; ++c) {
    const bool is_plain = *c >= ' ' && *c <= '~' && *c != '"' && *c != '\\';
    writer.Char(is_plain ? *c : '_');
  }
}

void WriteStatisticsJson(ReportWriter& writer) {
  struct memalloc_statistics statistics;
  TakeStatistics(&statistics, Residents::kLookAt);
  Json json(writer);
  json.Begin(nullptr, '{');
  json.Key("program");
  writer.Char('"');
  WriteProgramsName(writer);
  writer.Char('"');
  json.Number("pid", static_cast<uint64_t>(os::ProcessId()));
  json.Number("milliseconds", statistics.milliseconds);
  WriteExtent(json, "total", statistics.total);
  json.Begin("parts", '{');
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
  json.Begin("system_calls", '{');
  for (const SystemCallCount& call : kSystemCalls) {
    json.Number(call.name, statistics.*call.value);
  }
  json.End('}');
  json.Begin("classes", '[');
  for (const struct memalloc_class_statistics& row : statistics.classes) {
    if (IsUsed(row)) WriteClass(json, row);
  }
  json.End(']');
  json.End('}');
  writer.Char('\n');
}

}  // namespace memalloc
