// memalloc_run's own command line: [FLAGS] [--] PROGRAM [ARGS...].
//
// Invariant: nothing from PROGRAM on is looked at or changed, whatever it
// looks like; `--help` after PROGRAM is the program's. absl::ParseCommandLine
// cannot promise that, because it takes flags from the whole line; and it exits
// with 1, a status that belongs to the program. So the flags are defined with
// ABSL_FLAG and set through absl's reflection, argument by argument.
// Used by main.cc.

#ifndef TOOLS_RUN_COMMAND_LINE_H_
#define TOOLS_RUN_COMMAND_LINE_H_

#include <cstdint>
#include <string>

#include "absl/flags/declare.h"
#include "absl/status/statusor.h"
#include "tools/run/compare_flag.h"
#include "tools/run/leaks_flag.h"
#include "tools/run/stats_flag.h"

ABSL_DECLARE_FLAG(memalloc::run::StatsFlag, stats);
ABSL_DECLARE_FLAG(memalloc::run::CompareFlag, compare);
ABSL_DECLARE_FLAG(uint32_t, rounds);
ABSL_DECLARE_FLAG(uint32_t, timeout);
ABSL_DECLARE_FLAG(bool, hardened);
ABSL_DECLARE_FLAG(uint32_t, guard);
ABSL_DECLARE_FLAG(std::string, profile);
ABSL_DECLARE_FLAG(std::string, heap_map);
ABSL_DECLARE_FLAG(memalloc::run::LeaksFlag, leaks);
ABSL_DECLARE_FLAG(std::string, trace);

namespace memalloc::run {

struct CommandLine {
  bool help = false;
  // PROGRAM and its arguments, null-terminated: the end of the caller's argv.
  // Not empty unless `help`.
  char** program = nullptr;
};

// Sets the flags and finds PROGRAM. Without a PROGRAM it is a failure, and so
// are flags that contradict each other.
absl::StatusOr<CommandLine> ParseCommandLine(char** argv);

// What --help prints.
std::string HelpText();

}  // namespace memalloc::run

#endif  // TOOLS_RUN_COMMAND_LINE_H_
