// The statistics: one snapshot, from which all figures come that leave the
// allocator. Layer: observe.
//
//   statistics.cc             the snapshot
//   statistics_parts.h        its parts, as a table
//   statistics_text.cc        for people
//   statistics_json.cc        for programs
//   statistics_prometheus.cc  for a Prometheus server
//
// The structure is that of memalloc.h, so that programs see what the reports
// show.

#ifndef MEMALLOC_OBSERVE_STATISTICS_H_
#define MEMALLOC_OBSERVE_STATISTICS_H_

#include "memalloc/base/attributes.h"
#include "memalloc/memalloc.h"

namespace memalloc {

class ReportWriter;

// Whether the pages are looked at.
enum class Residents {
  kLookAt,    // asks the kernel which pages are resident
  kLeaveOut,  // the parts' are 0
};

MEMALLOC_COLD void TakeStatistics(struct memalloc_statistics* statistics,
                                  Residents residents);

// Reports of a snapshot that they take.
MEMALLOC_COLD void WriteStatisticsText(ReportWriter& writer);
MEMALLOC_COLD void WriteStatisticsJson(ReportWriter& writer);
MEMALLOC_COLD void WriteStatisticsPrometheus(ReportWriter& writer);

// Address space of what the program has.
inline uint64_t LiveBytes(const struct memalloc_statistics& statistics) {
  return statistics.live_cells.bytes + statistics.live_large.bytes +
         statistics.live_huge.bytes + statistics.guarded.bytes;
}

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_STATISTICS_H_
