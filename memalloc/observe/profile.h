// The sampling heap profiler: which calls allocate, and how much of it lives.
// Layer: observe.
//
//   stack.h          the stack of a sample
//   profile_tables.h what is kept of stacks and samples
//   pprof_writer.h   the format of the reports
//
// A sample's stack is captured outside of all locks; then g_sampling_lock is
// held for as long as the tables change. A report copies them under the lock
// and is written without it.

#ifndef MEMALLOC_OBSERVE_PROFILE_H_
#define MEMALLOC_OBSERVE_PROFILE_H_

#include "memalloc/observe/report_writer.h"

namespace memalloc {

// What lives now, and all that was allocated since sampling began.
void WriteProfile(ReportWriter& writer);
// What lives more, or less, than at the mark; without one, than at the start.
void WriteGrowth(ReportWriter& writer);
// What lived when most did.
void WritePeak(ReportWriter& writer);
// What was freed, by how long it lived.
void WriteLifetimes(ReportWriter& writer);

// Sets the mark.
void MarkProfile();

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_PROFILE_H_
