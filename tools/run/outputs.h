// What the flags ask the program to leave behind, and what is said of it at the
// end. Used by main.cc.

#ifndef TOOLS_RUN_OUTPUTS_H_
#define TOOLS_RUN_OUTPUTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/run/report_file.h"
#include "tools/run/stats_file.h"
#include "tools/run/supervise.h"
#include "tools/run/trace_files.h"

namespace memalloc::run {

class Outputs {
 public:
  // Sets the program's variables as the flags say. Called in the caller's
  // directory.
  absl::Status Request();

  // Whether there is something to say at the end.
  bool IsAny() const { return is_any_; }

  // What the program called `name` left, as lines of text.
  std::string Describe(const std::string& name, const Ending& ending) const;

 private:
  struct Report {
    const char* what;
    ReportFile file;
  };

  bool is_any_ = false;
  StatsFile stats_file_;
  TraceFiles trace_files_;
  std::vector<Report> reports_;
};

}  // namespace memalloc::run

#endif  // TOOLS_RUN_OUTPUTS_H_
