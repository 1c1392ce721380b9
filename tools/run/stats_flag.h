// The value of --stats: whether the program's figures are wanted, and in which
// file all of its statistics.
//
//   --stats             a summary when the program has ended
//   --stats=FORMAT      that, and the statistics in a file; FORMAT is one of
//                       text, json and prometheus
//   --stats=FORMAT:FILE the same, in this file
//
// Used by command_line.cc and main.cc.

#ifndef TOOLS_RUN_STATS_FLAG_H_
#define TOOLS_RUN_STATS_FLAG_H_

#include <string>

#include "absl/strings/string_view.h"

namespace memalloc::run {

struct StatsFlag {
  bool is_wanted = false;
  // Where the statistics go; in it %p is the process's id. Empty: nowhere. Its
  // end tells memalloc the format.
  std::string file;
};

// For ABSL_FLAG.
bool AbslParseFlag(absl::string_view text, StatsFlag* flag, std::string* error);
std::string AbslUnparseFlag(const StatsFlag& flag);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_STATS_FLAG_H_
