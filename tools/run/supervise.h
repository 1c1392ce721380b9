// Runs the program as a child whose end is waited for.
//
// A supervised program should not notice its parent, nor the caller that there
// is one. So the parent passes on the signals that only it got, stops and
// continues with the program under job control, keeps no inherited file open
// but stderr, and at last ends by the same status or signal. When the parent is
// killed the program is killed too. memalloc_run has one thread, and signals
// are taken by sigwaitinfo(), never by handlers. Used by main.cc.

#ifndef TOOLS_RUN_SUPERVISE_H_
#define TOOLS_RUN_SUPERVISE_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace memalloc::run {

// How a program ended.
struct Ending {
  pid_t pid = -1;
  // As wait(2) gives it.
  int wait_status = 0;
  struct rusage usage = {};
};

// Runs the program as a child and waits until it ends. `own_argv` is this
// process's argv.
absl::StatusOr<Ending> Supervise(const std::string& path, char** program_argv,
                                 char** own_argv);

// Ends this process as the program ended; without a core dump, which would
// be a second one, of the wrong process.
[[noreturn]] void EndAs(int wait_status);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_SUPERVISE_H_
