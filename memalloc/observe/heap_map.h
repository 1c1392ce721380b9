// The heap map: a line of JSON for everything that the heap has. Layer:
// observe.
//
// docs/observability.md describes the lines; tools/heap_map draws them. They
// are made with the central lock held, so that they fit together, and written
// after that: whoever reads them may need the lock. The memory for it, which is
// no part of the heap, is some 40 KiB for an arena.

#ifndef MEMALLOC_OBSERVE_HEAP_MAP_H_
#define MEMALLOC_OBSERVE_HEAP_MAP_H_

#include "memalloc/observe/report_writer.h"

namespace memalloc {

void WriteHeapMap(ReportWriter& out);

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_HEAP_MAP_H_
