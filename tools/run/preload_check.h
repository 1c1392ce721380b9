// Decides before anything runs whether a program will take memalloc.so.
//
// A preload that does not work is silent or cryptic: a static program runs on
// its own malloc, a setuid one on libc's, one for another machine makes the
// loader complain and go on. Here each of these is a failure that says why.
// Scripts are followed to the program that runs them, through env(1) too.
// Used by main.cc.

#ifndef TOOLS_RUN_PRELOAD_CHECK_H_
#define TOOLS_RUN_PRELOAD_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "tools/run/preload_library.h"

namespace memalloc::run {

// OK when the executable file `path` can run with `library` preloaded, as far
// as that can be seen: a file that may be executed but not read is accepted.
// `search_path` is where env(1) would look. A failure names `path`.
absl::Status CheckTakesPreload(const std::string& path,
                               const PreloadLibrary& library,
                               const std::string& search_path);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_PRELOAD_CHECK_H_
