// The leak report: allocations that the program can no longer reach, by the
// stacks that made them, as LeakSanitizer prints them. Layer: observe.
//
//   leak_finder.h        which samples are lost
//   reachability.h       what can be reached
//   heap_graph.h         the allocations that there may be
//   leak_suppressions.h  what is not to be told
//   frame_names.h        names for the stacks
//
// It knows of samples (heap/sampling.h) alone: estimates, or every allocation
// with an interval of 1.

#ifndef MEMALLOC_OBSERVE_LEAKS_H_
#define MEMALLOC_OBSERVE_LEAKS_H_

#include "memalloc/observe/report_writer.h"

namespace memalloc {

void WriteLeaks(ReportWriter& writer);

// Whether the last report told of a leak.
bool HasFoundLeaks();

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_LEAKS_H_
