// memalloc_run: runs any program on memalloc. See command_line.cc for the help.
//
// The order of the steps: own command line, the caller's directory (all later
// paths are relative to it), the library, the program, whether they fit, and
// only then the environment and the run. Every failure up to there is one line
// on stderr and an exit status from failure.h, and nothing has been run.

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/run/command_line.h"
#include "tools/run/environment.h"
#include "tools/run/failure.h"
#include "tools/run/outputs.h"
#include "tools/run/preload_check.h"
#include "tools/run/preload_library.h"
#include "tools/run/program_lookup.h"
#include "tools/run/supervise.h"

namespace memalloc::run {
namespace {

// In one write(), so that output of the program's children does not come in
// between.
void WriteToStderr(absl::string_view text) {
  const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size());
  static_cast<void>(ignored);
}

// Enters the caller's directory, finds program and library, and sets the
// program's variables. Returns its path.
absl::StatusOr<std::string> Prepare(const std::string& name) {
  absl::StatusOr<std::string> executable = OwnExecutable();
  if (!executable.ok()) return executable.status();
  absl::Status status = EnterCallersDirectory(*executable);
  if (!status.ok()) return status;
  absl::StatusOr<PreloadLibrary> library =
      FindPreloadLibrary(*executable, absl::GetFlag(FLAGS_hardened));
  if (!library.ok()) return library.status();
  const std::string search_path = SearchPath();
  absl::StatusOr<std::string> program = FindProgram(name, search_path);
  if (!program.ok()) return program.status();
  status = CheckTakesPreload(*program, *library, search_path);
  if (!status.ok()) return status;
  SetPreload(library->path);
  if (const uint32_t rate = absl::GetFlag(FLAGS_guard); rate != 0) {
    setenv("MEMALLOC_GUARD_SAMPLE_RATE", std::to_string(rate).c_str(), 1);
  }
  return program;
}

// Runs the program. If the flags ask for something that it leaves, under
// supervision, and says then what it left; returns its wait status.
absl::StatusOr<int> RunAndTell(const std::string& path, char** program_argv,
                               char** own_argv) {
  Outputs outputs;
  absl::Status status = outputs.Request();
  if (!status.ok()) return status;
  if (!outputs.IsAny()) return Exec(path, program_argv);
  absl::StatusOr<Ending> ending = Supervise(path, program_argv, own_argv);
  if (!ending.ok()) return ending.status();
  const std::string name = std::filesystem::path(path).filename();
  WriteToStderr(outputs.Describe(name, *ending));
  return ending->wait_status;
}

absl::Status Main(char** argv) {
  const absl::StatusOr<CommandLine> line = ParseCommandLine(argv);
  if (!line.ok()) return line.status();
  if (line->help) {
    std::fputs(HelpText().c_str(), stdout);
    return absl::OkStatus();
  }
  if (absl::GetFlag(FLAGS_hardened) && !absl::GetFlag(FLAGS_trace).empty()) {
    return OwnFailure(
        "--trace does not go with --hardened, which records no calls");
  }
  const absl::StatusOr<std::string> path = Prepare(line->program[0]);
  if (!path.ok()) return path.status();
  absl::StatusOr<int> wait_status = RunAndTell(*path, line->program, argv);
  if (!wait_status.ok()) return wait_status.status();
  EndAs(*wait_status);
}

}  // namespace
}  // namespace memalloc::run

int main(int, char** argv) {
  const absl::Status status = memalloc::run::Main(argv);
  if (status.ok()) return 0;
  memalloc::run::WriteToStderr(
      absl::StrCat("memalloc_run: ", status.message(), "\n"));
  return memalloc::run::ExitStatus(status);
}
