// What happens once: initialisation, the options, and what threads, forks and
// the end of the process need. Layer: runtime.
//
//   init.cc          first use, options
//   thread_attach.cc a thread's heap, from its first need to its end
//   fork.cc          the handlers around fork
//   background_thread.cc  lets idle memory go back while the program is idle

#ifndef MEMALLOC_RUNTIME_RUNTIME_H_
#define MEMALLOC_RUNTIME_RUNTIME_H_

#include <stddef.h>

namespace memalloc {

struct Options {
  // MEMALLOC_STATS_FILE: where the process appends one line when it ends; ""
  // for nowhere. A copy: programs write over their environment.
  char stats_file[256];
  // The program's name, for the same reason; "" if it was not known yet.
  char program[64];
};

// The options as they were read at the first use.
const Options& GetOptions();

// Reads the options if there was no first use, or once more if it came before
// libc knew the program and its environment.
void ReadOptionsAgain();

// Sets up the key of the links and the options. Called before the first heap
// is made; calls nothing that allocates, runs once whoever comes first.
void InitialiseOnce();

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
