// The heap map: a line of JSON for everything that the heap has. Layer:
// observe.
//
// docs/observability.md describes the lines; tools/heap_map draws them. The
// central lock is held meanwhile, so that the lines fit together, and memory is
// bounded: the pages of one arena at a time are looked at.

#ifndef MEMALLOC_OBSERVE_HEAP_MAP_H_
#define MEMALLOC_OBSERVE_HEAP_MAP_H_

#include "memalloc/observe/report_writer.h"

namespace memalloc {

void WriteHeapMap(ReportWriter& out);

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_HEAP_MAP_H_
