// A file that memalloc writes in the program, and that memalloc_run names.
//
// The program may change its directory, so memalloc wants absolute paths; and
// as the program's children inherit the variable, a %p in the path becomes the
// id of the process that writes. Used by main.cc.

#ifndef TOOLS_RUN_REPORT_FILE_H_
#define TOOLS_RUN_REPORT_FILE_H_

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"

namespace memalloc::run {

class ReportFile {
 public:
  // Has the program write to `file`, if that is not empty, by setting the
  // variable. Called in the caller's directory.
  absl::Status Request(const char* variable, const std::string& file);

  // After the end of the program: a line about where `what` went, or that it
  // was not written. Empty if nothing was requested.
  std::string WhereItWent(const std::string& what, pid_t program) const;

 private:
  std::string path_;
};

}  // namespace memalloc::run

#endif  // TOOLS_RUN_REPORT_FILE_H_
