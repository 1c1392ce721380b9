// Implementation of trace_files.h.
//
// The program names its traces as the allocator does (docs/trace_format.md):
// %p is the process, and where a file is there already .PID and .NUMBER follow.
// Which of them are new, and how many calls they have, the folder says.

#include "tools/run/trace_files.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tools/replay/trace_reader.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

constexpr char kVariable[] = "MEMALLOC_TRACE";
// Programs may have very many children.
constexpr size_t kMostLines = 10;

// What matches the names that come of `name`.
std::regex PatternOf(const std::string& name) {
  std::string pattern;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '%' && i + 1 < name.size() &&
        (name[i + 1] == 'p' || name[i + 1] == '%')) {
      pattern += name[++i] == 'p' ? "[0-9]+" : "%";
    } else {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(name[i])) &&
          static_cast<unsigned char>(name[i]) < 128) {
        pattern += '\\';
      }
      pattern += name[i];
    }
  }
  return std::regex(pattern + "(\\.[0-9]+){0,2}");
}

}  // namespace

absl::Status TraceFiles::Create(const std::string& file) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(file, error);
  folder_ = path.parent_path();
  name_ = path.filename();
  if (error || name_.empty() || !std::filesystem::is_directory(folder_)) {
    return OwnFailure(absl::StrCat("--trace=", file, ": there is no folder ",
                                   folder_, " for it"));
  }
  before_ = Find();
  // A % of the folder stands for itself.
  const std::string folder = absl::StrReplaceAll(folder_, {{"%", "%%"}});
  setenv(kVariable, absl::StrCat(folder, "/", name_).c_str(), 1);
  return absl::OkStatus();
}

std::set<std::string> TraceFiles::Find() const {
  std::set<std::string> names;
  const std::regex pattern = PatternOf(name_);
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename();
    if (std::regex_match(name, pattern)) names.insert(name);
  }
  return names;
}

std::string TraceFiles::Describe() const {
  std::vector<std::pair<uint64_t, std::string>> lines;
  for (const std::string& name : Find()) {
    if (before_.count(name) != 0) continue;
    const std::string path = absl::StrCat(folder_, "/", name);
    const absl::StatusOr<replay::TraceHead> head = replay::ReadHead(path);
    if (!head.ok()) continue;
    lines.emplace_back(head->calls,
                       absl::StrCat("memalloc_run: trace ", path, ": ",
                                    head->calls, " calls of ", head->program,
                                    " (pid ", head->process_id, ")\n"));
  }
  if (lines.empty()) {
    return "memalloc_run: no trace: the program did not use memalloc, or could "
           "not write it\n";
  }
  std::sort(lines.rbegin(), lines.rend());
  std::string text;
  for (size_t i = 0; i < std::min(lines.size(), kMostLines); ++i) {
    absl::StrAppend(&text, lines[i].second);
  }
  if (lines.size() > kMostLines) {
    absl::StrAppend(&text, "memalloc_run: and ", lines.size() - kMostLines,
                    " smaller traces beside them\n");
  }
  return text;
}

}  // namespace memalloc::run
