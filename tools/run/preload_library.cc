// Implementation of preload_library.h.
//
// tools/run/memalloc_run and memalloc/memalloc.so keep their positions to each
// other in every layout that Bazel makes: output tree, runfiles, this
// repository as an external one. Installed, they stand in bin/ and lib/, and
// nothing outside of these is looked at.
// Runfiles come first because there the object is the one this executable was
// built with, even when the two were built in different configurations. Their
// top directory is called "memalloc" with WORKSPACE and "_main" with
// MODULE.bazel.

#include "tools/run/preload_library.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

absl::StatusOr<ElfFile> InspectElfAt(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return OwnFailure(absl::StrCat("it cannot be read: ", ErrnoText(errno)));
  absl::Cleanup close_fd = [fd] { close(fd); };
  absl::StatusOr<ElfFile> file = InspectElf(fd);
  if (!file.ok()) {
    return OwnFailure(
        absl::StrCat("it is a malformed ELF file: ", file.status().message()));
  }
  return file;
}

absl::Status CheckFitsLdPreload(const std::string& path) {
  if (path.find_first_of(" :") == path.npos) return absl::OkStatus();
  return OwnFailure(
      "LD_PRELOAD cannot hold a path with a blank or a colon; move the "
      "directory");
}

}  // namespace

absl::StatusOr<std::string> OwnExecutable() {
  std::error_code error;
  const std::filesystem::path path =
      std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    return OwnFailure(absl::StrCat(
        "/proc/self/exe cannot be read: ", error.message(), "; mount /proc"));
  }
  return path.string();
}

absl::StatusOr<PreloadLibrary> FindPreloadLibrary(const std::string& executable,
                                                  bool hardened) {
  const std::string name = hardened ? "memalloc_hardened.so" : "memalloc.so";
  const std::string place = absl::StrCat("memalloc/", name);
  const std::filesystem::path own = executable;
  const std::filesystem::path directory = own.parent_path();
  const std::string runfiles = absl::StrCat(executable, ".runfiles/");
  const std::vector<std::string> candidates = {
      absl::StrCat(runfiles, "memalloc/", place),
      absl::StrCat(runfiles, "_main/", place),
      (directory / "../lib" / name).lexically_normal(),
      directory / name,
      (directory / "../.." / place).lexically_normal(),
  };
  PreloadLibrary library;
  for (const std::string& candidate : candidates) {
    std::error_code error;
    library.path = std::filesystem::canonical(candidate, error).string();
    if (!error) break;
  }
  if (library.path.empty()) {
    return OwnFailure(absl::StrCat(
        name, " is missing, none of ", absl::StrJoin(candidates, ", "),
        " exists; build it with `tools/bazel build //memalloc:", name,
        "`, or put it beside memalloc_run"));
  }
  if (absl::Status status = CheckFitsLdPreload(library.path); !status.ok()) {
    return Prefixed(absl::StrCat(library.path, ": "), status);
  }
  absl::StatusOr<ElfFile> object = InspectElfAt(library.path);
  if (!object.ok()) {
    return Prefixed(absl::StrCat(library.path, ": "), object.status());
  }
  library.abi = object->abi;
  absl::StatusOr<ElfFile> self = InspectElfAt(executable);
  if (!self.ok()) {
    return Prefixed(absl::StrCat(executable, ": "), self.status());
  }
  library.loader = self->interpreter;
  return library;
}

absl::Status CheckPreloadable(const std::string& path, const ElfAbi& abi) {
  if (absl::Status status = CheckFitsLdPreload(path); !status.ok()) {
    return status;
  }
  const absl::StatusOr<ElfFile> file = InspectElfAt(path);
  if (!file.ok()) return file.status();
  if (!(file->abi == abi)) {
    return OwnFailure(absl::StrCat("it is for ", AbiName(file->abi),
                                   ", memalloc.so is for ", AbiName(abi)));
  }
  // A library without a name looks like a static program.
  if (file->kind != ElfFile::Kind::kSharedLibrary &&
      file->kind != ElfFile::Kind::kStatic) {
    return OwnFailure("it is not a shared library");
  }
  return absl::OkStatus();
}

}  // namespace memalloc::run
