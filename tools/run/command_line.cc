// Implementation of command_line.h: the flags, their parsing and the help.
//
// The accepted spellings are absl's: one or two dashes, `--flag=value`, and
// `--noflag` for a boolean. No flag takes its value from the next argument, so
// the first argument without a dash is PROGRAM. A dash within a name is an
// underscore of absl's.

#include "tools/run/command_line.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tools/run/failure.h"

// The help and the man page, docs/man/memalloc-run.1, have the same texts.
ABSL_FLAG(memalloc::run::StatsFlag, stats, memalloc::run::StatsFlag(),
          "when the program has ended, print on stderr what it used; with "
          "FORMAT, which is text, json or prometheus, leave its statistics in "
          "FILE too, by default memalloc-stats.%p in the working directory");
ABSL_FLAG(memalloc::run::CompareFlag, compare, memalloc::run::CompareFlag(),
          "run the program on libc's malloc, on memalloc and on other "
          "allocators in turn, and print time and memory side by side; the "
          "others are those of LIST, such as hardened,jemalloc,mine=/my.so, or "
          "else the peers that are installed: jemalloc, mimalloc, tbbmalloc "
          "and tcmalloc");
ABSL_FLAG(uint32_t, rounds, 3,
          "with --compare: run the program N times on each allocator, 3 by "
          "default");
ABSL_FLAG(uint32_t, timeout, 0,
          "with --compare: end a run that takes longer, and go on without that "
          "allocator");
ABSL_FLAG(bool, hardened, false,
          "use the allocator with more checks (docs/hardened.md)");
ABSL_FLAG(uint32_t, guard, 0,
          "put one allocation in N between guards (docs/observability.md)");
ABSL_FLAG(std::string, profile, "",
          "leave a heap profile at exit, for go tool pprof");
ABSL_FLAG(std::string, heap_map, "",
          "leave a heap map at exit, for //tools:heap_map");
ABSL_FLAG(memalloc::run::LeaksFlag, leaks, memalloc::run::LeaksFlag(),
          "leave a leak report at exit, of what nothing leads to any more, by "
          "default in memalloc-leaks.%p.txt in the working directory; "
          "estimated from samples, or with =exact or =exact:FILE of every "
          "allocation, which is slow");
ABSL_FLAG(std::string, trace, "",
          "record every call of the allocator, for //tools:replay");

namespace memalloc::run {
namespace {

constexpr char kUsage[] = "usage: memalloc_run [FLAGS] [--] PROGRAM [ARGS...]";

// How the flags are written, in the order of the help.
struct Spelling {
  absl::string_view name;
  absl::string_view value;
};

constexpr Spelling kSpellings[] = {
    {"stats", "[=FORMAT[:FILE]]"},
    {"compare", "[=LIST]"},
    {"rounds", "=N"},
    {"timeout", "=SECONDS"},
    {"hardened", ""},
    {"guard", "=N"},
    {"profile", "=FILE"},
    {"heap-map", "=FILE"},
    {"leaks", "[=FILE]"},
    {"trace", "=FILE"},
};

absl::CommandLineFlag* FindFlag(absl::string_view name) {
  return absl::FindCommandLineFlag(absl::StrReplaceAll(name, {{"-", "_"}}));
}

// Whether --NAME alone sets the flag, and --noNAME sets it back.
bool IsSwitch(const absl::CommandLineFlag& flag) {
  return flag.IsOfType<bool>() || flag.IsOfType<StatsFlag>() ||
         flag.IsOfType<CompareFlag>() || flag.IsOfType<LeaksFlag>();
}

// "--NAME=VALUE" of a flag of absl's.
std::string HowToWrite(const absl::CommandLineFlag& flag) {
  for (const Spelling& spelling : kSpellings) {
    if (FindFlag(spelling.name) == &flag) {
      return absl::StrCat("--", spelling.name, spelling.value);
    }
  }
  return absl::StrCat("--", flag.Name());
}

// How many letters must be added, dropped or exchanged between two words.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t exchanged = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({exchanged, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

// The flag that was probably meant, as part of a message; or nothing.
std::string Nearest(absl::string_view name) {
  for (const Spelling& spelling : kSpellings) {
    const bool begins_alike =
        name.size() > 2 && (absl::StartsWith(spelling.name, name) ||
                            absl::StartsWith(name, spelling.name));
    if (begins_alike || Distance(name, spelling.name) <= 2) {
      return absl::StrCat(", the nearest is --", spelling.name, spelling.value);
    }
  }
  return "";
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
  const absl::string_view written = name;
  absl::CommandLineFlag* flag = FindFlag(name);
  if (flag == nullptr && equals == name.npos &&
      absl::ConsumePrefix(&name, "no")) {
    flag = FindFlag(name);
    value = "false";
    if (flag != nullptr && !IsSwitch(*flag)) flag = nullptr;
  }
  if (flag == nullptr) {
    return OwnFailure(absl::StrCat("unknown flag ", argument, Nearest(written),
                                   "; see memalloc_run --help; the program's "
                                   "own flags follow PROGRAM"));
  }
  if (flag->IsOfType<std::string>() && (equals == name.npos || value.empty())) {
    return OwnFailure(
        absl::StrCat("no value in ", argument, "; write ", HowToWrite(*flag)));
  }
  std::string error;
  if (!flag->ParseFrom(value, &error)) {
    return OwnFailure(absl::StrCat(
        "bad value in ", argument, "; write ", HowToWrite(*flag),
        flag->IsOfType<StatsFlag>() ? ", FORMAT being text, json or prometheus,"
                                    : "",
        IsSwitch(*flag) ? absl::StrCat(" or --no", flag->Name()) : ""));
  }
  return absl::OkStatus();
}

// Fails for flags that contradict each other.
absl::Status CheckTogether() {
  const bool compares = absl::GetFlag(FLAGS_compare).is_wanted;
  const bool hardened = absl::GetFlag(FLAGS_hardened);
  const struct {
    absl::string_view name;
    bool is_given;
    bool goes_with_compare;
  } flags[] = {
      {"rounds",
       FindFlag("rounds")->CurrentValue() != FindFlag("rounds")->DefaultValue(),
       true},
      {"timeout", absl::GetFlag(FLAGS_timeout) != 0, true},
      {"stats", absl::GetFlag(FLAGS_stats).is_wanted, false},
      {"guard", absl::GetFlag(FLAGS_guard) != 0, false},
      {"profile", !absl::GetFlag(FLAGS_profile).empty(), false},
      {"heap-map", !absl::GetFlag(FLAGS_heap_map).empty(), false},
      {"leaks", !absl::GetFlag(FLAGS_leaks).file.empty(), false},
      {"trace", !absl::GetFlag(FLAGS_trace).empty(), false},
  };
  for (const auto& flag : flags) {
    if (!flag.is_given || flag.goes_with_compare == compares) continue;
    return OwnFailure(
        compares ? absl::StrCat("--", flag.name,
                                " does not go with --compare, "
                                "which looks from outside; run the program "
                                "once more with it")
                 : absl::StrCat("--", flag.name, " goes with --compare only"));
  }
  if (absl::GetFlag(FLAGS_rounds) == 0) {
    return OwnFailure("bad value in --rounds=0; write --rounds=N, N from 1 on");
  }
  if (hardened && !absl::GetFlag(FLAGS_trace).empty()) {
    return OwnFailure(
        "--trace does not go with --hardened, which records no calls");
  }
  return absl::OkStatus();
}

// The text of a flag, wrapped to the width of a terminal.
std::string FlagHelp(const Spelling& spelling) {
  constexpr size_t kIndent = 14;
  constexpr size_t kWidth = 78;
  std::string text;
  std::string line = absl::StrCat("  --", spelling.name, spelling.value, "  ");
  if (line.size() > kIndent) {
    text = absl::StrCat("  --", spelling.name, spelling.value, "\n");
    line.clear();
  }
  line.resize(kIndent, ' ');
  const std::string help = FindFlag(spelling.name)->Help();
  for (absl::string_view word : absl::StrSplit(help, ' ')) {
    if (line.size() + word.size() > kWidth) {
      absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
      line.assign(kIndent, ' ');
    }
    absl::StrAppend(&line, word, " ");
  }
  return absl::StrCat(text, absl::StripTrailingAsciiWhitespace(line), "\n");
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
  if (absl::Status status = CheckTogether(); !status.ok()) return status;
  line.program = next;
  return line;
}

std::string HelpText() {
  std::string text = absl::StrCat(
      kUsage,
      "\n"
      "\n"
      "Runs PROGRAM with memalloc in the place of the C library's malloc, by\n"
      "preloading memalloc.so. PROGRAM is a path, or a name that is looked up\n"
      "in PATH. Everything after PROGRAM is passed to it as it is.\n"
      "\n"
      "Examples:\n"
      "  memalloc_run python3 -c 'print(1)'\n"
      "  memalloc_run --stats sort --parallel=2 big.txt\n"
      "  memalloc_run --compare sort --parallel=2 big.txt\n"
      "  memalloc_run --hardened ./server\n"
      "  memalloc_run --stats=json:/tmp/heap.json ./server\n"
      "  memalloc_run --leaks=exact ./test\n"
      "  tools/bazel run //tools:memalloc_run -- --stats ls -l\n"
      "\n"
      "Flags:\n");
  for (const Spelling& spelling : kSpellings) {
    absl::StrAppend(&text, FlagHelp(spelling));
  }
  absl::StrAppend(
      &text,
      "  --help      print this text\n"
      "\n"
      "In each FILE %p becomes the process's id; without it the process that\n"
      "ends last writes it.\n"
      "\n"
      "The program runs in the caller's working directory, also under\n"
      "`bazel run`, whose BUILD_* variables it does not see. memalloc.so is\n"
      "put in front of an LD_PRELOAD that is set already. Without --stats,\n"
      "--compare and a flag that names a FILE the program takes the place of\n"
      "memalloc_run. Otherwise memalloc_run stays as its parent, passes on "
      "the\n"
      "signals it gets, and ends as the program does.\n"
      "\n"
      "With --compare the program is first run once on libc's malloc to show "
      "its\n"
      "output; that run is not measured. All runs read the file that is\n"
      "memalloc_run's standard input, or nothing if that is no file. They have "
      "no\n"
      "terminal; what they leave running is ended.\n"
      "\n"
      "Exit status: that of PROGRAM, or\n"
      "  124  with --compare: the runs did not all end alike\n"
      "  125  memalloc_run itself failed or was used wrongly\n"
      "  126  PROGRAM was found but cannot run on memalloc\n"
      "  127  PROGRAM was not found\n");
  return text;
}

}  // namespace memalloc::run
