// Implementation of command_line.h: the flags, their parsing and the help.
//
// The accepted spellings are absl's: one or two dashes, `--flag=value`, and
// `--noflag` for a boolean. No flag takes its value from the next argument, so
// the first argument without a dash is PROGRAM. A dash within a name is an
// underscore of absl's.

#include "tools/run/command_line.h"

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tools/run/failure.h"

ABSL_FLAG(bool, hardened, false,
          "use the allocator with more checks (docs/hardened.md)");
ABSL_FLAG(uint32_t, guard, 0,
          "put one allocation in N between guards (docs/observability.md)");
ABSL_FLAG(memalloc::run::StatsFlag, stats, memalloc::run::StatsFlag(),
          "when the program has ended, print on stderr what it used; with "
          "=text, =json or =prometheus, leave its statistics in FILE too");
ABSL_FLAG(std::string, heap_map, "",
          "leave a heap map at exit, for //tools:heap_map");
ABSL_FLAG(std::string, profile, "",
          "leave a heap profile at exit, for go tool pprof");
ABSL_FLAG(memalloc::run::LeaksFlag, leaks, memalloc::run::LeaksFlag(),
          "leave a leak report at exit; with =exact, of every allocation");
ABSL_FLAG(std::string, trace, "",
          "record every call of the allocator, for //tools:replay");

namespace memalloc::run {
namespace {

constexpr char kUsage[] = "usage: memalloc_run [FLAGS] [--] PROGRAM [ARGS...]";

constexpr char kStatsValues[] =
    "--stats=FORMAT[:FILE], FORMAT being text, json or prometheus";

constexpr char kLeaksValues[] = "--leaks=FILE, --leaks=exact[:FILE]";

// Whether --noNAME says that it is not wanted.
bool HasNo(const absl::CommandLineFlag& flag) {
  return flag.IsOfType<bool>() || flag.IsOfType<StatsFlag>() ||
         flag.IsOfType<LeaksFlag>();
}

absl::CommandLineFlag* FindFlag(absl::string_view name) {
  return absl::FindCommandLineFlag(absl::StrReplaceAll(name, {{"-", "_"}}));
}

std::string FileFlagHelp(absl::string_view name) {
  return absl::StrCat("  --", name, "=FILE\n              ",
                      FindFlag(name)->Help(), "\n");
}

// Sets the flag that `argument` names.
absl::Status SetFlag(absl::string_view argument) {
  absl::string_view name = argument;
  absl::ConsumePrefix(&name, "-");
  absl::ConsumePrefix(&name, "-");
  absl::string_view value = "true";
  const size_t equals = name.find('=');
  if (equals != name.npos) {
    value = name.substr(equals + 1);
    name = name.substr(0, equals);
  }
  absl::CommandLineFlag* flag = FindFlag(name);
  if (flag == nullptr && equals == name.npos &&
      absl::ConsumePrefix(&name, "no")) {
    flag = FindFlag(name);
    value = "false";
    if (flag != nullptr && !HasNo(*flag)) flag = nullptr;
  }
  if (flag == nullptr) {
    return OwnFailure(absl::StrCat("unknown flag ", argument,
                                   "; see memalloc_run --help; the program's "
                                   "own flags follow PROGRAM"));
  }
  if (flag->IsOfType<std::string>() && (equals == name.npos || value.empty())) {
    return OwnFailure(absl::StrCat("no value in ", argument, "; write --",
                                   name.substr(0, equals), "=FILE"));
  }
  std::string error;
  if (!flag->ParseFrom(value, &error)) {
    const std::string no = absl::StrCat(
        flag->Name(), ", ",
        flag->IsOfType<StatsFlag>()   ? absl::StrCat(kStatsValues, ", ")
        : flag->IsOfType<LeaksFlag>() ? absl::StrCat(kLeaksValues, ", ")
                                      : "",
        "or --no", flag->Name());
    return OwnFailure(absl::StrCat(
        "bad value in ", argument, "; write --",
        flag->IsOfType<uint32_t>() ? absl::StrCat(flag->Name(), "=N") : no));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(char** argv) {
  CommandLine line;
  char** next = argv;
  // argv may be empty: execve() allows it.
  if (*next != nullptr) ++next;
  for (; *next != nullptr; ++next) {
    const absl::string_view argument = *next;
    if (argument == "--") {
      ++next;
      break;
    }
    if (!absl::StartsWith(argument, "-") || argument == "-") break;
    if (argument == "--help" || argument == "-help" || argument == "-h") {
      line.help = true;
      return line;
    }
    if (absl::Status status = SetFlag(argument); !status.ok()) return status;
  }
  if (*next == nullptr) {
    return OwnFailure(absl::StrCat("no program given; ", kUsage));
  }
  line.program = next;
  return line;
}

std::string HelpText() {
  return absl::StrCat(
      kUsage,
      "\n"
      "\n"
      "Runs PROGRAM with memalloc in the place of the C library's malloc, by\n"
      "preloading memalloc.so. PROGRAM is a path, or a name that is looked up\n"
      "in PATH. Everything after PROGRAM is passed to it as it is.\n"
      "\n"
      "  --hardened  ",
      absl::FindCommandLineFlag("hardened")->Help(),
      "\n"
      "  --guard=N   ",
      absl::FindCommandLineFlag("guard")->Help(),
      "\n"
      "  --stats     when the program has ended, print on stderr what it used\n"
      "  --stats=FORMAT[:FILE]\n"
      "              the same, and leave its statistics in FILE, as text, "
      "json\n"
      "              or prometheus. Without a FILE it is memalloc-stats.%p in\n"
      "              the working directory\n",
      FileFlagHelp("heap-map"), FileFlagHelp("profile"),
      "  --leaks[=FILE]\n"
      "              leave a leak report at exit: what nothing leads to any "
      "more,\n"
      "              estimated from samples. Without a FILE it is\n"
      "              memalloc-leaks.%p.txt in the working directory\n"
      "  --leaks=exact[:FILE]\n"
      "              the same of every allocation, which is slow\n",
      FileFlagHelp("trace"),
      "              In each FILE %p becomes the process's id; without it the\n"
      "              process that ends last writes it.\n"
      "  --help      print this text\n"
      "\n"
      "Examples:\n"
      "  memalloc_run python3 -c 'print(1)'\n"
      "  memalloc_run --stats sort --parallel=2 big.txt\n"
      "  memalloc_run --stats=json:/tmp/heap.json ./server\n"
      "  memalloc_run --hardened ./server\n"
      "  memalloc_run --guard=1000 ./server\n"
      "  memalloc_run --leaks=exact ./test\n"
      "  tools/bazel run //tools:memalloc_run -- --stats ls -l\n"
      "\n"
      "The program runs in the caller's working directory, also under\n"
      "`bazel run`, whose BUILD_* variables it does not see. memalloc.so is\n"
      "put in front of an LD_PRELOAD that is set already. Without --stats and\n"
      "a flag that leaves a FILE the program takes the place of memalloc_run.\n"
      "Otherwise memalloc_run stays as its parent, passes on the signals it\n"
      "gets, and ends as the program does.\n"
      "\n"
      "Exit status: that of PROGRAM, or\n"
      "  125  memalloc_run itself failed or was used wrongly\n"
      "  126  PROGRAM was found but cannot run on memalloc\n"
      "  127  PROGRAM was not found\n");
}

}  // namespace memalloc::run
