// The reports: what the process says of its heap, to files that options name
// or a call does. Layer: observe.
//
//   reports.cc  the table of them, at exit, and on a signal
//
// They are written at exit, at a signal (Option::kReportSignal; by the
// background thread, as a handler may have interrupted malloc), and when the
// program asks.

#ifndef MEMALLOC_OBSERVE_REPORTS_H_
#define MEMALLOC_OBSERVE_REPORTS_H_

namespace memalloc {

// Writes the report of that kind to the path. 0, ENOENT without such a kind, or
// why the file could not be written (an errno value).
int WriteReport(const char* kind, const char* path);

// Whether the running thread can look at the heap: not if a signal handler that
// interrupted the allocator, or libc's mutex within, ends the process. Waits
// two seconds at most for threads that work on the heap.
bool MayLookAtHeap();

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_REPORTS_H_
