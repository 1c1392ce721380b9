// The traces of a run: where the program is to record its calls, and what it
// and its children left there.

#ifndef TOOLS_RUN_TRACE_FILES_H_
#define TOOLS_RUN_TRACE_FILES_H_

#include <set>
#include <string>

#include "absl/status/status.h"

namespace memalloc::run {

class TraceFiles {
 public:
  // Sets MEMALLOC_TRACE for the program, as an absolute path. A file of the
  // name stays; the program then adds to the name.
  absl::Status Create(const std::string& file);

  // A line for each trace that was made since, those with the most calls first.
  std::string Describe() const;

 private:
  // Names in the folder that the program may have given.
  std::set<std::string> Find() const;

  std::string folder_;
  std::string name_;
  std::set<std::string> before_;
};

}  // namespace memalloc::run

#endif  // TOOLS_RUN_TRACE_FILES_H_
