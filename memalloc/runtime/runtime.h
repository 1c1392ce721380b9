// What happens once: initialisation, and what threads, forks and
// the end of the process need. Layer: runtime.
//
//   init.cc          first use
//   options.h        the options, read then
//   cgroup.h         limits from the control group
//   thread_attach.cc a thread's heap, from its first need to its end
//   fork.cc          the handlers around fork
//   background_thread.cc  lets idle memory go back while the program is idle

#ifndef MEMALLOC_RUNTIME_RUNTIME_H_
#define MEMALLOC_RUNTIME_RUNTIME_H_

#include "memalloc/heap/thread_heap.h"  // InitialiseOnce, AttachThread

namespace memalloc {

// The line that the process leaves when it ends. Copies, as programs write over
// their environment and their name.
struct ExitLine {
  char file[256];    // MEMALLOC_STATS_FILE: where it goes; "" for nowhere
  char program[64];  // "" if it was not known yet
};

// As it was read at the first use.
const ExitLine& GetExitLine();

// Notes the file; a wrong one is told on stderr.
void SetExitFile(const char* path);

// Notes the program's name, if the first use came before libc knew it.
void NoteProgram();

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

// For the fork handlers: before all of it in the parent, after it in both.
void PrepareForkOfBackgroundThread();
void AfterForkOfBackgroundThread(bool in_child);

// Registers the end of the running thread, whose heap stands by now. May
// allocate.
void RegisterThreadExit();

}  // namespace memalloc

#endif  // MEMALLOC_RUNTIME_RUNTIME_H_
