// Implementation of program_lookup.h.
//
// Each refusal is found by asking the system the question that the kernel
// will ask (stat, faccessat with the effective user, statvfs), never by
// interpreting mode bits alone: access control lists and capabilities count
// too. The mode bits only choose between two wordings of the same refusal.

#include "tools/run/program_lookup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

// Why stat() refused `path`.
absl::Status Unreachable(const std::string& path, int error) {
  if (error == ENOENT) {
    std::error_code ignored;
    const std::filesystem::path target =
        std::filesystem::read_symlink(path, ignored);
    if (!target.empty()) {
      return NotFound(absl::StrCat("it is a symbolic link to ", target.string(),
                                   ", which does not exist"));
    }
    return NotFound("it does not exist");
  }
  if (error == ENOTDIR) {
    return NotFound("it does not exist: a part of its path is not a directory");
  }
  if (error == EACCES) {
    return CannotRun("no permission to search a directory on its path");
  }
  return CannotRun(absl::StrCat("it cannot be examined: ", ErrnoText(error)));
}

}  // namespace

absl::Status CheckExecutable(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return Unreachable(path, errno);
  if (S_ISDIR(file.st_mode)) {
    return CannotRun("it is a directory; name a program in it");
  }
  if (!S_ISREG(file.st_mode)) return CannotRun("it is not a regular file");
  if (faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  struct statvfs system;
  if ((file.st_mode & 0111) == 0) {
    return CannotRun("it is not executable; chmod +x makes it so");
  }
  if (statvfs(path.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0) {
    return CannotRun("its file system is mounted noexec");
  }
  if (error == EACCES) {
    return CannotRun("no permission to execute it; its mode excludes you");
  }
  return CannotRun(absl::StrCat("it cannot be executed: ", ErrnoText(error)));
}

absl::StatusOr<std::string> FindProgram(const std::string& name,
                                        const std::string& search_path) {
  if (name.empty()) return NotFound("the program's name is empty");
  if (absl::StrContains(name, '/')) {
    absl::Status status = CheckExecutable(name);
    if (!status.ok()) return Prefixed(absl::StrCat(name, ": "), status);
    return name;
  }
  absl::Status found_but = absl::OkStatus();
  for (absl::string_view directory : absl::StrSplit(search_path, ':')) {
    if (directory.empty()) directory = ".";
    const std::string path = absl::StrCat(directory, "/", name);
    absl::Status status = CheckExecutable(path);
    if (status.ok()) return path;
    // The first file of that name explains most; absent ones explain nothing.
    if (found_but.ok() && !absl::IsNotFound(status)) {
      found_but = Prefixed(absl::StrCat(path, ": "), status);
    }
  }
  if (!found_but.ok()) return found_but;
  return NotFound(absl::StrCat(name, ": not found in PATH (", search_path,
                               "); give its path if it is elsewhere"));
}

std::string SearchPath() {
  if (const char* path = std::getenv("PATH"); path != nullptr) return path;
  std::string standard(confstr(_CS_PATH, nullptr, 0), '\0');
  confstr(_CS_PATH, standard.data(), standard.size());
  if (!standard.empty()) standard.pop_back();
  return standard;
}

}  // namespace memalloc::run
