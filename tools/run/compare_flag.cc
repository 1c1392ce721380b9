// Implementation of compare_flag.h.

#include "tools/run/compare_flag.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace memalloc::run {

bool AbslParseFlag(absl::string_view text, CompareFlag* flag,
                   std::string* error) {
  *flag = CompareFlag();
  if (absl::SimpleAtob(text, &flag->is_wanted)) return true;
  flag->is_wanted = true;
  flag->list = absl::StrSplit(text, ',');
  if (std::count(flag->list.begin(), flag->list.end(), "") == 0) return true;
  *error = "a name is empty";
  return false;
}

std::string AbslUnparseFlag(const CompareFlag& flag) {
  if (!flag.list.empty()) return absl::StrJoin(flag.list, ",");
  return flag.is_wanted ? "true" : "false";
}

}  // namespace memalloc::run
