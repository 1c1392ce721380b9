// memalloc_run: runs any program on memalloc. See command_line.cc for the help.
//
// The order of the steps: own command line, the caller's directory (all later
// paths are relative to it), the library, the program, whether they fit, and
// only then the environment and the run. Every failure up to there is one line
// on stderr and an exit status from failure.h, and nothing has been run.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tools/run/command_line.h"
#include "tools/run/compare.h"
#include "tools/run/compare_allocators.h"
#include "tools/run/environment.h"
#include "tools/run/failure.h"
#include "tools/run/outputs.h"
#include "tools/run/preload_check.h"
#include "tools/run/preload_library.h"
#include "tools/run/program_lookup.h"
#include "tools/run/spawn.h"
#include "tools/run/supervise.h"

namespace memalloc::run {
namespace {

// What is known before anything runs.
struct Prepared {
  std::string executable;
  PreloadLibrary library;
  std::string program;
};

// Enters the caller's directory, and finds program and library. --compare wants
// memalloc.so itself; memalloc_hardened.so may come beside it.
absl::StatusOr<Prepared> Prepare(const std::string& name, bool hardened) {
  Prepared prepared;
  absl::StatusOr<std::string> executable = OwnExecutable();
  if (!executable.ok()) return executable.status();
  prepared.executable = *std::move(executable);
  absl::Status status = EnterCallersDirectory(prepared.executable);
  if (!status.ok()) return status;
  absl::StatusOr<PreloadLibrary> library =
      FindPreloadLibrary(prepared.executable, hardened);
  if (!library.ok()) return library.status();
  prepared.library = *std::move(library);
  const std::string search_path = SearchPath();
  absl::StatusOr<std::string> program = FindProgram(name, search_path);
  if (!program.ok()) return program.status();
  prepared.program = *std::move(program);
  status = CheckTakesPreload(prepared.program, prepared.library, search_path);
  if (!status.ok()) return status;
  return prepared;
}

// Runs the program on several allocators; returns the wait status to end with.
absl::StatusOr<int> RunCompared(const Prepared& prepared, char** program_argv) {
  const absl::StatusOr<std::vector<Allocator>> allocators = FindAllocators(
      absl::GetFlag(FLAGS_compare), absl::GetFlag(FLAGS_hardened),
      prepared.executable, prepared.library);
  if (!allocators.ok()) return allocators.status();
  return Compare(prepared.program, program_argv, *allocators,
                 absl::GetFlag(FLAGS_rounds), absl::GetFlag(FLAGS_timeout));
}

// Runs the program on memalloc. If the flags ask for something that it leaves,
// under supervision, and says then what it left; returns its wait status.
absl::StatusOr<int> RunAndTell(const Prepared& prepared, char** program_argv,
                               char** own_argv) {
  SetPreload(prepared.library.path);
  if (const uint32_t rate = absl::GetFlag(FLAGS_guard); rate != 0) {
    setenv("MEMALLOC_GUARD_SAMPLE_RATE", std::to_string(rate).c_str(), 1);
  }
  const std::string& path = prepared.program;
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
  const bool compares = absl::GetFlag(FLAGS_compare).is_wanted;
  const absl::StatusOr<Prepared> prepared =
      Prepare(line->program[0], !compares && absl::GetFlag(FLAGS_hardened));
  if (!prepared.ok()) return prepared.status();
  absl::StatusOr<int> wait_status =
      compares ? RunCompared(*prepared, line->program)
               : RunAndTell(*prepared, line->program, argv);
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
