// The working directory and the environment that the program gets.
//
// Invariant: the program sees what the caller of memalloc_run sees, but for
// LD_PRELOAD, for MEMALLOC_STATS_FILE with --stats, for
// MEMALLOC_GUARD_SAMPLE_RATE with --guard, and for the BUILD_* variables by
// which `bazel run` tells a tool where it was called. Those are used and
// removed: a memalloc_run further down, started in another directory, must not
// jump back. Used by main.cc, before anything else is looked up.

#ifndef TOOLS_RUN_ENVIRONMENT_H_
#define TOOLS_RUN_ENVIRONMENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace memalloc::run {

// Under `bazel run`, which starts `executable` in its runfiles: enters the
// directory of the caller and removes the variables of `bazel run`. Otherwise
// does nothing, whatever BUILD_* variables there are.
absl::Status EnterCallersDirectory(const std::string& executable);

// LD_PRELOAD with `library` at its front; unchanged when it is in it already.
// `current` is the present value, empty for none.
std::string WithPreload(absl::string_view library, absl::string_view current);

// Sets LD_PRELOAD in this process's environment, for the program.
void SetPreload(const std::string& library);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_ENVIRONMENT_H_
