// The statistics for people: a text to read at a glance.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <atomic>

#include "memalloc/base/line_buffer.h"
#include "memalloc/observe/report_writer.h"
#include "memalloc/observe/statistics.h"
#include "memalloc/observe/statistics_parts.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

// ---- words and columns ----

void Spaces(ReportWriter& writer, size_t count) {
  for (size_t i = 0; i < count; ++i) writer.Char(' ');
}

void Left(ReportWriter& writer, size_t width, const char* text) {
  writer.Text(text);
  const size_t length = strlen(text);
  if (length < width) Spaces(writer, width - length);
}

void Right(ReportWriter& writer, size_t width, const LineBuffer& text) {
  if (text.size() < width) Spaces(writer, width - text.size());
  writer.Bytes(text.data(), text.size());
}

LineBuffer Number(uint64_t value) {
  LineBuffer text;
  text.Decimal(value);
  return text;
}

// In tenths.
LineBuffer Tenths(uint64_t value) {
  LineBuffer text;
  text.Decimal(value / 10).Char('.').Decimal(value % 10);
  return text;
}

LineBuffer Size(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return Number(bytes).Text(" B");
  size_t unit = 0;
  uint64_t one = 1024;
  while (unit < 3 && bytes / one >= 1024) {
    one *= 1024;
    ++unit;
  }
  return Tenths(bytes / one * 10 + bytes % one * 10 / one)
      .Char(' ')
      .Text(kUnits[unit]);
}

LineBuffer Percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return Number(0).Text(" %");
  return Tenths((part * 1000 + whole / 2) / whole).Text(" %");
}

void Write(ReportWriter& writer, const LineBuffer& text) {
  writer.Bytes(text.data(), text.size());
}

// ---- rates ----

constexpr size_t kRates = MEMALLOC_SIZE_CLASSES + 2;
constexpr size_t kLargeRate = MEMALLOC_SIZE_CLASSES;
constexpr size_t kHugeRate = kLargeRate + 1;

// Allocations a second since the last report, for each class, large and huge
// blocks.
struct Rates {
  bool are_known;
  uint64_t milliseconds;  // since then
  uint64_t of[kRates];
};

// What the last report saw. Who has the flag works on it; a report that comes
// meanwhile has no rates.
std::atomic<bool> g_last_is_taken{false};
struct {
  uint64_t milliseconds;
  uint64_t allocations[kRates];
} g_last;

Rates RatesSinceLast(const struct memalloc_statistics& now) {
  Rates rates = {};
  // Acquire pairs with the release below.
  if (g_last_is_taken.exchange(true, std::memory_order_acquire)) return rates;
  rates.milliseconds = now.milliseconds - g_last.milliseconds;
  rates.are_known = g_last.milliseconds != 0 && rates.milliseconds != 0;
  for (size_t i = 0; i < kRates; ++i) {
    const uint64_t count = i == kLargeRate  ? now.large_allocations
                           : i == kHugeRate ? now.huge_allocations
                                            : now.classes[i].allocations;
    if (rates.are_known) {
      rates.of[i] = (count - g_last.allocations[i]) * 1000 / rates.milliseconds;
    }
    g_last.allocations[i] = count;
  }
  g_last.milliseconds = now.milliseconds;
  g_last_is_taken.store(false, std::memory_order_release);
  return rates;
}

LineBuffer RateText(const Rates& rates, size_t i) {
  return rates.are_known ? Number(rates.of[i]) : LineBuffer().Char('-');
}

// ---- sections ----

void WriteExtent(ReportWriter& writer, size_t indent, const char* title,
                 const struct memalloc_extent& extent, uint64_t whole) {
  constexpr size_t kTitles = 34;
  Spaces(writer, indent);
  Left(writer, kTitles - indent, title);
  Right(writer, 12, Size(extent.resident));
  Right(writer, 10, Percent(extent.resident, whole));
  Right(writer, 14, Size(extent.bytes));
  writer.Char('\n');
}

void WriteTree(ReportWriter& writer,
               const struct memalloc_statistics& statistics) {
  const uint64_t whole = statistics.total.resident;
  writer.Text("\nWhere it is                           resident     ");
  writer.Text("share     of mapped\n");
  WriteExtent(writer, 2, "all", statistics.total, whole);
  for (size_t g = 0; g < sizeof(kGroupTitles) / sizeof(*kGroupTitles); ++g) {
    struct memalloc_extent sum = {0, 0};
    for (const Part& part : kParts) {
      if (static_cast<size_t>(part.group) != g) continue;
      sum.bytes += (statistics.*part.extent).bytes;
      sum.resident += (statistics.*part.extent).resident;
    }
    WriteExtent(writer, 4, kGroupTitles[g], sum, whole);
    for (const Part& part : kParts) {
      const struct memalloc_extent& extent = statistics.*part.extent;
      if (static_cast<size_t>(part.group) != g || extent.bytes == 0) continue;
      WriteExtent(writer, 6, part.title, extent, whole);
    }
  }
  const uint64_t cells = statistics.live_cells.bytes;
  writer.Text("  Cells in use: about ");
  Write(writer, Size(statistics.rounding_estimate));
  writer.Text(" (");
  Write(writer, Percent(statistics.rounding_estimate, cells));
  writer.Text(") is the rounding up of sizes, by estimate.\n");
  if (statistics.knows_residents == 0) {
    writer.Text("  The kernel does not say what is resident: all counts as.\n");
  }
}

void WriteClassLine(ReportWriter& writer, const LineBuffer& size,
                    const LineBuffer& blocks, uint64_t resident, uint64_t live,
                    const LineBuffer& at_hand, const LineBuffer& free,
                    uint64_t allocations, uint64_t frees,
                    const LineBuffer& rate) {
  Right(writer, 7, size);
  Right(writer, 7, blocks);
  Right(writer, 11, Size(resident));
  Right(writer, 10, Number(live));
  Right(writer, 8, at_hand);
  Right(writer, 10, free);
  Right(writer, 12, Number(allocations));
  Right(writer, 12, Number(frees));
  Right(writer, 10, rate);
  writer.Char('\n');
}

void WriteClasses(ReportWriter& writer,
                  const struct memalloc_statistics& statistics) {
  const Rates rates = RatesSinceLast(statistics);
  writer.Text("\nBy size  blocks  resident    in use   ready      free");
  writer.Text(" allocations       frees      a/s *\n");
  for (size_t i = 0; i < MEMALLOC_SIZE_CLASSES; ++i) {
    const struct memalloc_class_statistics& row = statistics.classes[i];
    if (!IsUsed(row)) continue;
    WriteClassLine(writer, Number(row.cell_size), Number(row.blocks),
                   row.memory.resident, row.live,
                   Number(row.at_hand + row.travelling),
                   Number(row.free + row.purged + row.uncarved),
                   row.allocations, row.frees, RateText(rates, i));
  }
  LineBuffer none;
  WriteClassLine(writer, LineBuffer().Text("large"), none,
                 statistics.live_large.resident, statistics.large_blocks, none,
                 none, statistics.large_allocations, statistics.large_frees,
                 RateText(rates, kLargeRate));
  WriteClassLine(writer, LineBuffer().Text("huge"), none,
                 statistics.live_huge.resident, statistics.huge_blocks, none,
                 none, statistics.huge_allocations, statistics.huge_frees,
                 RateText(rates, kHugeRate));
  writer.Text("  * allocations a second since the last such report");
  if (rates.are_known) {
    writer.Text(", ");
    Write(writer, Tenths(rates.milliseconds / 100));
    writer.Text(" s ago");
  }
  writer.Char('\n');
}

void WriteRest(ReportWriter& writer,
               const struct memalloc_statistics& statistics) {
  writer.Text("\nThreads       ").Decimal(statistics.threads);
  writer.Text(" with a heap; heaps of ended ones: ");
  writer.Decimal(statistics.parked_heaps).Text(" parked, ");
  writer.Decimal(statistics.idle_heaps).Text(" empty\n");
  writer.Text("Locks         ").Decimal(statistics.lock_acquisitions);
  writer.Text(" acquisitions, ").Decimal(statistics.lock_waits);
  writer.Text(" had to wait (");
  Write(writer, Percent(statistics.lock_waits, statistics.lock_acquisitions));
  writer.Text(")\nSystem calls ");
  for (const SystemCallCount& call : kSystemCalls) {
    const uint64_t count = statistics.*call.value;
    if (count == 0) continue;
    writer.Char(' ').Text(call.name).Char(' ').Decimal(count);
  }
  writer.Text("\nGiven back    ");
  Write(writer, Size(statistics.purged_bytes));
  writer.Text(" of pages, by ").Decimal(statistics.purge_calls);
  writer.Text(" calls\nMost in use   ");
  Write(writer, Size(statistics.peak_block_bytes));
  writer.Text(" in blocks; the process had ");
  Write(writer, Size(statistics.process_peak_resident_bytes));
  writer.Text(" resident\n");
}

}  // namespace

void WriteStatisticsText(ReportWriter& writer) {
  struct memalloc_statistics statistics;
  TakeStatistics(&statistics, Residents::kLookAt);
  writer.Text("memalloc: ").Text(ProgramsName()).Text(" (pid ");
  writer.Decimal(static_cast<uint64_t>(os::ProcessId())).Text("): ");
  Write(writer, Size(LiveBytes(statistics)));
  writer.Text(" in use, ");
  Write(writer, Size(statistics.total.resident));
  writer.Text(" resident, of the process's ");
  Write(writer, Size(statistics.process_resident_bytes));
  writer.Char('\n');
  WriteTree(writer, statistics);
  WriteClasses(writer, statistics);
  WriteRest(writer, statistics);
}

}  // namespace memalloc
