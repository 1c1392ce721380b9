// Implementation of leaks_flag.h.

#include "tools/run/leaks_flag.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace memalloc::run {
namespace {

constexpr char kUsualFile[] = "memalloc-leaks.%p.txt";

}  // namespace

bool AbslParseFlag(absl::string_view text, LeaksFlag* flag,
                   std::string* error) {
  *flag = LeaksFlag();
  bool is_wanted;
  if (absl::SimpleAtob(text, &is_wanted)) {
    if (is_wanted) flag->file = kUsualFile;
    return true;
  }
  flag->is_exact = text == "exact" || absl::ConsumePrefix(&text, "exact:");
  flag->file = text == "exact" ? kUsualFile : std::string(text);
  if (!flag->file.empty()) return true;
  *error = "no file";
  return false;
}

std::string AbslUnparseFlag(const LeaksFlag& flag) {
  if (flag.file.empty()) return "false";
  return absl::StrCat(flag.is_exact ? "exact:" : "", flag.file);
}

}  // namespace memalloc::run
