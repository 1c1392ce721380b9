// Implementation of environment.h.
//
// memalloc_run changes its own environment, which the program then inherits;
// it has one thread, so setenv() is safe.

#include "tools/run/environment.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

constexpr char kPreload[] = "LD_PRELOAD";
constexpr char kCallersDirectory[] = "BUILD_WORKING_DIRECTORY";

// What the versions of Bazel set for `bazel run`.
constexpr const char* kBazelRunVariables[] = {kCallersDirectory,
                                              "BUILD_WORKSPACE_DIRECTORY",
                                              "BUILD_EXECROOT", "BUILD_ID"};

}  // namespace

absl::Status EnterCallersDirectory(const std::string& executable) {
  const char* callers_directory = std::getenv(kCallersDirectory);
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  if (callers_directory == nullptr || error ||
      !absl::StartsWith(here, absl::StrCat(executable, ".runfiles/"))) {
    return absl::OkStatus();
  }
  if (chdir(callers_directory) != 0) {
    return OwnFailure(absl::StrCat("cannot enter the working directory ",
                                   callers_directory, ": ", ErrnoText(errno)));
  }
  for (const char* variable : kBazelRunVariables) unsetenv(variable);
  return absl::OkStatus();
}

std::string WithPreload(absl::string_view library, absl::string_view current) {
  // ld.so separates at both characters.
  const std::vector<absl::string_view> objects =
      absl::StrSplit(current, absl::ByAnyChar(" :"), absl::SkipEmpty());
  if (objects.empty()) return std::string(library);
  if (std::find(objects.begin(), objects.end(), library) != objects.end()) {
    return std::string(current);
  }
  return absl::StrCat(library, ":", current);
}

void SetPreload(const std::string& library) {
  const char* current = std::getenv(kPreload);
  setenv(kPreload,
         WithPreload(library, current == nullptr ? "" : current).c_str(), 1);
}

}  // namespace memalloc::run
