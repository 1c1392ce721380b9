// The value of --compare: whether the program is to be compared, and on which
// allocators beside libc's and memalloc.
//
//   --compare       the peers that are installed
//   --compare=LIST  those of LIST; names of peers, hardened, and
//                   NAME=/path/to.so, with commas in between
//
// Used by command_line.cc and compare_allocators.cc.

#ifndef TOOLS_RUN_COMPARE_FLAG_H_
#define TOOLS_RUN_COMPARE_FLAG_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace memalloc::run {

struct CompareFlag {
  bool is_wanted = false;
  // The elements of LIST; none: the peers that are installed.
  std::vector<std::string> list;
};

// For ABSL_FLAG.
bool AbslParseFlag(absl::string_view text, CompareFlag* flag,
                   std::string* error);
std::string AbslUnparseFlag(const CompareFlag& flag);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_COMPARE_FLAG_H_
