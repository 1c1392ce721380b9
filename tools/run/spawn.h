// Turns a process into the program: this one, or a child.
//
// The program finds its signals as the caller of memalloc_run left them. A
// child is killed when memalloc_run is. Used by main.cc, supervise.cc and
// compare_run.cc.

#ifndef TOOLS_RUN_SPAWN_H_
#define TOOLS_RUN_SPAWN_H_

#include <signal.h>
#include <sys/types.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace memalloc::run {

// What the program must find as the caller left it.
struct SignalState {
  sigset_t mask;
  struct sigaction on_child;
};

// Blocks the signals, and makes children waitable even when the caller ignores
// SIGCHLD.
SignalState TakeSignals(const sigset_t& set);

// Replaces this process by the program at `path`. Returns only if that fails.
absl::Status Exec(const std::string& path, char** program_argv);

// Starts the program as a child, which first calls `prepare`. Returns when it
// runs.
absl::StatusOr<pid_t> Spawn(
    const std::string& path, char** program_argv, const SignalState& before,
    const std::function<void()>& prepare = [] {});

}  // namespace memalloc::run

#endif  // TOOLS_RUN_SPAWN_H_
