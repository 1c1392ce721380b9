// Implementation of shebang.h.
//
// A file shorter than kShebangBytes reads as if zeros followed it, and a zero
// byte ends a word as a blank does. A line that does not end within
// kShebangBytes is still good when the interpreter's name ends there: the
// kernel then cuts the argument.

#include "tools/run/shebang.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

constexpr absl::string_view kBlanks = " \t";

}  // namespace

bool HasShebang(absl::string_view start) {
  return absl::StartsWith(start, "#!");
}

absl::StatusOr<Shebang> ParseShebang(absl::string_view start) {
  const bool whole_file = start.size() < kShebangBytes;
  absl::string_view line = start.substr(0, kShebangBytes);
  absl::ConsumePrefix(&line, "#!");
  const size_t line_end = line.find_first_of(absl::string_view("\n\0", 2));
  const bool ended = whole_file || line_end != line.npos;
  line = line.substr(0, line_end);
  const size_t first = line.find_first_not_of(kBlanks);
  if (first == line.npos) {
    return CannotRun("its #! line names no interpreter");
  }
  line.remove_prefix(first);
  const size_t name_end = line.find_first_of(kBlanks);
  if (name_end == line.npos && !ended) {
    return CannotRun("its #! line is longer than the kernel reads");
  }
  Shebang shebang;
  shebang.interpreter = std::string(line.substr(0, name_end));
  if (name_end != line.npos) {
    absl::string_view rest = line.substr(name_end);
    while (!rest.empty() && absl::StrContains(kBlanks, rest.front())) {
      rest.remove_prefix(1);
    }
    while (!rest.empty() && absl::StrContains(kBlanks, rest.back())) {
      rest.remove_suffix(1);
    }
    shebang.argument = std::string(rest);
  }
  return shebang;
}

std::optional<std::string> ProgramOfEnv(absl::string_view argument) {
  absl::string_view program = argument;
  if (absl::ConsumePrefix(&program, "-S") ||
      absl::ConsumePrefix(&program, "--split-string=")) {
    // Quotes, escapes and variables are env's to understand.
    if (program.find_first_of("\"'\\$#") != program.npos) return std::nullopt;
    program = absl::StripLeadingAsciiWhitespace(program);
    program = program.substr(0, program.find_first_of(kBlanks));
  }
  // An option or an assignment may change where env looks.
  if (program.empty() || program.front() == '-' ||
      absl::StrContains(program, '=')) {
    return std::nullopt;
  }
  return std::string(program);
}

}  // namespace memalloc::run
