// Implementation of report_file.h.

#include "tools/run/report_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

// What a report that ends with a line of its own for that says of itself.
std::string SummaryOf(const std::string& file) {
  constexpr absl::string_view kSummary = "SUMMARY: memalloc: ";
  std::error_code error;
  // A pipe would be waited for.
  if (!std::filesystem::is_regular_file(file, error)) return "";
  std::ifstream stream(file);
  std::string line;
  std::string last;
  while (std::getline(stream, line)) last = line;
  absl::string_view text = last;
  if (!absl::ConsumePrefix(&text, kSummary)) return "";
  absl::ConsumeSuffix(&text, ".");
  return absl::StrCat(": ", text);
}

}  // namespace

absl::Status ReportFile::Request(const char* variable,
                                 const std::string& file) {
  if (file.empty()) return absl::OkStatus();
  std::error_code error;
  const std::filesystem::path path(file);
  if (path.is_absolute()) {
    path_ = file;
  } else {
    // A % of the directory stands for itself.
    const std::string here = std::filesystem::current_path(error).string();
    if (error) {
      return OwnFailure(
          absl::StrCat(file, ": no working directory: ", error.message(),
                       "; write an absolute path"));
    }
    path_ = absl::StrReplaceAll(here, {{"%", "%%"}});
    absl::StrAppend(&path_, path_ == "/" ? "" : "/", file);
  }
  setenv(variable, path_.c_str(), 1);
  // What an earlier run left must not be taken for this one's.
  const std::string earlier = absl::StrReplaceAll(path_, {{"%%", "%"}});
  if (std::filesystem::is_regular_file(
          std::filesystem::symlink_status(earlier, error))) {
    std::filesystem::remove(earlier, error);
  }
  return absl::OkStatus();
}

std::string ReportFile::WhereItWent(const std::string& what,
                                    pid_t program) const {
  if (path_.empty()) return "";
  const std::string file =
      absl::StrReplaceAll(path_, {{"%p", absl::StrCat(program)}, {"%%", "%"}});
  std::error_code error;
  return std::filesystem::exists(file, error)
             ? absl::StrCat("memalloc_run: ", what, " in ", file,
                            SummaryOf(file), "\n")
             : absl::StrCat("memalloc_run: no ", what, ": ", file,
                            " was not written\n");
}

}  // namespace memalloc::run
