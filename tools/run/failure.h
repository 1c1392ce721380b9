// The ways in which memalloc_run itself can fail, and the exit status of each.
//
// They are those of env(1), nice(1) and timeout(1), so that scripts can tell a
// failure of the runner from one of the program. An absl::Status carries the
// text, its code selects the exit status. The text is one line without the
// leading "memalloc_run: ", in the form "<what>: <why>; <what to do>", and is
// compared verbatim by testing/run. Used by every file of tools/run.

#ifndef TOOLS_RUN_FAILURE_H_
#define TOOLS_RUN_FAILURE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace memalloc::run {

// memalloc_run was used wrongly, or something it needs failed: status 125.
absl::Status OwnFailure(absl::string_view text);

// The program was found, but cannot be run on memalloc: status 126.
absl::Status CannotRun(absl::string_view text);

// The program, or what must interpret it, does not exist: status 127.
absl::Status NotFound(absl::string_view text);

// The same failure with `prefix` in front of the text.
absl::Status Prefixed(absl::string_view prefix, const absl::Status& failure);

// The exit status for a failure.
int ExitStatus(const absl::Status& failure);

// strerror() as a string.
std::string ErrnoText(int error);

// Writes to stderr in one write(), so that output of the program's children
// does not come in between.
void WriteToStderr(absl::string_view text);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_FAILURE_H_
