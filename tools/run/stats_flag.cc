// Implementation of stats_flag.h.

#include "tools/run/stats_flag.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace memalloc::run {
namespace {

struct Format {
  absl::string_view name;
  absl::string_view ending;
};

constexpr Format kFormats[] = {
    {"text", ".txt"},
    {"json", ".json"},
    {"prometheus", ".prom"},
};

}  // namespace

bool AbslParseFlag(absl::string_view text, StatsFlag* flag,
                   std::string* error) {
  *flag = StatsFlag();
  if (absl::SimpleAtob(text, &flag->is_wanted)) return true;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  for (const Format& format : kFormats) {
    if (parts.first != format.name) continue;
    flag->is_wanted = true;
    flag->file = absl::StrCat(parts.second);
    if (flag->file.empty()) flag->file = "memalloc-stats.%p";
    if (!absl::EndsWith(flag->file, format.ending)) {
      absl::StrAppend(&flag->file, format.ending);
    }
    return true;
  }
  *error = "neither text, json nor prometheus";
  return false;
}

std::string AbslUnparseFlag(const StatsFlag& flag) {
  if (!flag.file.empty()) return flag.file;
  return flag.is_wanted ? "true" : "false";
}

}  // namespace memalloc::run
