// What happens once: initialisation, and what threads, forks and
// the end of the process need. Layer: runtime.
//
//   init.cc          first use
//   options.h        the options, read then
//   path_options.h   those that are paths
//   report_signal.cc the signal at which reports are written
//   cgroup.h         limits from the control group
//   thread_attach.cc a thread's heap, from its first need to its end
//   fork.cc          the handlers around fork
//   background_thread.cc  lets idle memory go back while the program is idle

#ifndef MEMALLOC_RUNTIME_RUNTIME_H_
#define MEMALLOC_RUNTIME_RUNTIME_H_

#include "memalloc/heap/thread_heap.h"  // InitialiseOnce, AttachThread

namespace memalloc {

// The program's name as it was at the first use, or, if libc did not know it
// then, at the first call. A copy, as programs write over it.
const char* ProgramsName();

// Makes the pthread key through which threads tell their end. Allocates
// nothing. Called once, under the lock of the initialisation.
void MakeThreadExitKey();

// Registers the fork handlers, once. May allocate; the caller's heap stands.
void RegisterForkHandlersOnce();

// Starts the thread that lets idle memory go back while the program does
// nothing, if it does not run; 0 or an errno value. Ends it, if it does.
int StartBackgroundThread();
void StopBackgroundThread();
// Starts it once, if the option asks for it and libc is ready.
void StartWantedBackgroundThread();

// Lets it look soon whether there is something to do. May be called by a signal
// handler.
void WakeBackgroundThread();

// Asks for the signal of Option::kReportSignal, and no longer for the one
// before. False if there is no such signal.
bool HandleReportSignal();
// Asks the background thread for the reports. May be called by a signal
// handler, and within malloc.
void RequestReports();
// Whether anybody did since the last call.
bool TakeReportRequest();
// What the background thread does then. Defined by the observe layer.
void WriteWantedReports();

// Begins to record the calls, if an option says where to. Called once, under
// the lock of the initialisation. Defined by the observe layer.
void StartWantedTrace();

// Whether other threads may run beside this one; if not known, yes.
bool MayHaveThreads();

// For the fork handlers: before all of it in the parent, after it in both.
void PrepareForkOfBackgroundThread();
void AfterForkOfBackgroundThread(bool in_child);
// The same of captures of stacks, before any lock is acquired; in between they
// are empty. Defined by the observe layer.
void PrepareForkOfStacks();
void AfterForkOfStacks(bool in_child);

// Registers the end of the running thread, whose heap stands by now. May
// allocate.
void RegisterThreadExit();

}  // namespace memalloc

#endif  // MEMALLOC_RUNTIME_RUNTIME_H_
