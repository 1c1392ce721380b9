// From the name that the user typed to the file to run, as execvp(3) does it.
//
// A name with a slash is a path; any other is looked for in the directories of
// PATH, where what is not an executable file is passed over. Unlike execvp()
// it says what is wrong with a file, before anything runs. The checks are made
// with the effective user, as the kernel makes them; exec can still fail later,
// for example when the file changes in between. Used by main.cc and by
// preload_check.cc, which follows #! lines.

#ifndef TOOLS_RUN_PROGRAM_LOOKUP_H_
#define TOOLS_RUN_PROGRAM_LOOKUP_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace memalloc::run {

// OK when `path` is a regular file that this process may execute. Otherwise
// the reason, worded to follow "<path>: " or "<path>, <its role>: ".
absl::Status CheckExecutable(const std::string& path);

// The path of the program called `name`; a failure names `name`.
// `search_path` has the format of PATH; an empty element is the working
// directory.
absl::StatusOr<std::string> FindProgram(const std::string& name,
                                        const std::string& search_path);

// The PATH that execvp() would use.
std::string SearchPath();

}  // namespace memalloc::run

#endif  // TOOLS_RUN_PROGRAM_LOOKUP_H_
