// Records every call of the process into the file of MEMALLOC_TRACE, for
// tools/replay. Layer: observe; the runtime layer declares what starts it.
//
//   trace_format.h     the file
//   trace_writer.h     a chunk in the making
//   trace_recorder.cc  who writes into which chunk; forks, threads' ends
//
// A thread writes into a chunk of its own and takes no lock. Calls are numbered
// over all threads: a call that frees takes its number before it does so, one
// that allocates after it has, so that an address is freed in the file before
// another thread gets it. realloc takes two.

#ifndef MEMALLOC_OBSERVE_TRACE_RECORDER_H_
#define MEMALLOC_OBSERVE_TRACE_RECORDER_H_

#include "memalloc/heap/watched_calls.h"

namespace memalloc {

// What is told of each call: the recorder.
extern MEMALLOC_HIDDEN const Watcher kTraceRecorder;

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_TRACE_RECORDER_H_
