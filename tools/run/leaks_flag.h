// The value of --leaks: whether a leak report is wanted, of what, and in which
// file.
//
//   --leaks             estimates, in a file named after the process
//   --leaks=FILE        estimates
//   --leaks=exact       of every allocation
//   --leaks=exact:FILE  the same, in this file
//
// Used by command_line.cc and outputs.cc.

#ifndef TOOLS_RUN_LEAKS_FLAG_H_
#define TOOLS_RUN_LEAKS_FLAG_H_

#include <string>

#include "absl/strings/string_view.h"

namespace memalloc::run {

struct LeaksFlag {
  // Where the report goes; in it %p is the process's id. Empty: nowhere.
  std::string file;
  bool is_exact = false;
};

// For ABSL_FLAG.
bool AbslParseFlag(absl::string_view text, LeaksFlag* flag, std::string* error);
std::string AbslUnparseFlag(const LeaksFlag& flag);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_LEAKS_FLAG_H_
