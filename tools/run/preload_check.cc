// Implementation of preload_check.h.
//
// CheckTakesPreload walks from a script to its interpreter until it meets an
// ELF file. What is said about a file is worded as "<path>: it ...", and for an
// interpreter as "<path>: its interpreter <path> ...": the user named only the
// first. Setuid bits count on the ELF file alone, the kernel ignores them on
// scripts.

#include "tools/run/preload_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/run/elf_inspect.h"
#include "tools/run/failure.h"
#include "tools/run/program_lookup.h"
#include "tools/run/secure_exec.h"
#include "tools/run/shebang.h"

namespace memalloc::run {
namespace {

namespace fs = std::filesystem;

constexpr char kLinkInstead[] =
    "link it with malloc = \"@memalloc//memalloc\" if it is not already linked "
    "with it";

// The kernel follows five scripts, and env(1) starts it anew.
constexpr int kMaxSteps = 10;

bool SameFile(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

// Whether two dynamic loaders are glibc's for the same machine. Other copies
// of glibc keep the loader's name, at least at the end of symbolic links.
bool SameLoader(const std::string& loader, const std::string& ours) {
  if (SameFile(loader, ours)) return true;
  const fs::path name = fs::path(ours).filename();
  std::error_code error;
  return fs::path(loader).filename() == name ||
         fs::canonical(loader, error).filename() == name;
}

absl::Status CheckElf(int fd, const std::string& path,
                      const PreloadLibrary& library) {
  const absl::StatusOr<ElfFile> file = InspectElf(fd);
  if (!file.ok()) {
    return Prefixed("it is a malformed ELF file: ", file.status());
  }
  if (!(file->abi == library.abi)) {
    return CannotRun(absl::StrCat("it is a program for ", AbiName(file->abi),
                                  ", memalloc.so is for ",
                                  AbiName(library.abi)));
  }
  switch (file->kind) {
    case ElfFile::Kind::kOther:
    case ElfFile::Kind::kUnparsed:
      return CannotRun("it is an ELF file, but not a program");
    case ElfFile::Kind::kDynamic:
      break;
    case ElfFile::Kind::kSharedLibrary:
    case ElfFile::Kind::kStatic:
      // The loader as a program loads another, and honours LD_PRELOAD.
      if (SameFile(path, library.loader)) return absl::OkStatus();
      if (file->kind == ElfFile::Kind::kStatic) {
        return CannotRun(
            absl::StrCat("it is statically linked and cannot take a preload; ",
                         kLinkInstead));
      }
      return CannotRun("it is a shared library, not a program");
  }
  absl::Status loader = CheckExecutable(file->interpreter);
  if (!loader.ok()) {
    return Prefixed(absl::StrCat("its dynamic loader ", file->interpreter,
                                 " cannot be used: "),
                    loader);
  }
  if (!SameLoader(file->interpreter, library.loader)) {
    return CannotRun(
        absl::StrCat("it is linked with another C library (its loader is ",
                     file->interpreter, ", that of memalloc.so ",
                     library.loader, "); ", kLinkInstead));
  }
  struct stat file_stat;
  if (fstat(fd, &file_stat) != 0) return CannotRun(ErrnoText(errno));
  const std::string secure = WhySecure(GatherSecureExecFacts(fd, file_stat));
  if (!secure.empty()) {
    return CannotRun(
        absl::StrCat(secure, ", so LD_PRELOAD is ignored; ", kLinkInstead));
  }
  return absl::OkStatus();
}

// Reads up to kShebangBytes from the beginning.
absl::StatusOr<std::string> ReadStart(int fd) {
  std::string start(kShebangBytes, '\0');
  const ssize_t count = pread(fd, start.data(), start.size(), 0);
  if (count < 0) {
    return CannotRun(absl::StrCat("it cannot be read: ", ErrnoText(errno)));
  }
  start.resize(static_cast<size_t>(count));
  return start;
}

// The program that will run the script, as its #! line names it.
absl::StatusOr<std::string> NextInterpreter(absl::string_view start) {
  const absl::StatusOr<Shebang> shebang = ParseShebang(start);
  if (!shebang.ok()) return shebang.status();
  const absl::Status status = CheckExecutable(shebang->interpreter);
  if (!status.ok()) {
    if (absl::EndsWith(shebang->interpreter, "\r")) {
      return NotFound(
          "its #! line ends in a carriage return; convert it with dos2unix");
    }
    return Prefixed(absl::StrCat("its interpreter ", shebang->interpreter,
                                 " cannot be used: "),
                    status);
  }
  return shebang->interpreter;
}

}  // namespace

absl::Status CheckTakesPreload(const std::string& path,
                               const PreloadLibrary& library,
                               const std::string& search_path) {
  std::string current = path;
  // The program that an env(1) which is being checked will run.
  std::optional<std::string> after_env;
  std::string subject = absl::StrCat(path, ": ");
  for (int step = 0; step < kMaxSteps; ++step) {
    const int fd =
        open(current.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    // Execution without reading is a permission of its own.
    if (fd < 0) return absl::OkStatus();
    absl::Cleanup close_fd = [fd] { close(fd); };
    const absl::StatusOr<std::string> start = ReadStart(fd);
    if (!start.ok()) return Prefixed(subject, start.status());
    if (HasElfMagic(*start)) {
      absl::Status status = CheckElf(fd, current, library);
      if (!status.ok()) return Prefixed(subject, status);
      if (!after_env.has_value()) return absl::OkStatus();
      absl::StatusOr<std::string> found = FindProgram(*after_env, search_path);
      if (!found.ok()) {
        return Prefixed(absl::StrCat(path, ": its interpreter "),
                        found.status());
      }
      current = *std::move(found);
      after_env.reset();
    } else if (HasShebang(*start)) {
      absl::StatusOr<std::string> next = NextInterpreter(*start);
      if (!next.ok()) return Prefixed(subject, next.status());
      current = *std::move(next);
      if (fs::path(current).filename() == "env") {
        after_env = ProgramOfEnv(ParseShebang(*start)->argument);
      }
    } else {
      return CannotRun(absl::StrCat(
          subject,
          start->empty() ? "it is empty"
                         : "it is neither an ELF program nor a script with a "
                           "#! line; for a shell script: memalloc_run sh ",
          start->empty() ? "" : path));
    }
    subject = absl::StrCat(path, ": its interpreter ", current, ": ");
  }
  return CannotRun(
      absl::StrCat(path, ": its #! lines lead through too many scripts"));
}

}  // namespace memalloc::run
