// The #! line of a script, read as the kernel reads it (fs/binfmt_script.c).
//
// A script runs in the process of its interpreter, so it is the interpreter
// that must take the preload. preload_check.cc follows the chain with these
// functions. They work on text only and touch no file.

#ifndef TOOLS_RUN_SHEBANG_H_
#define TOOLS_RUN_SHEBANG_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace memalloc::run {

// The kernel looks at no more of a file than this (BINPRM_BUF_SIZE).
inline constexpr size_t kShebangBytes = 256;

struct Shebang {
  std::string interpreter;
  // All that follows the interpreter: the kernel passes it as one argument.
  std::string argument;
};

bool HasShebang(absl::string_view start);

// Parses the first kShebangBytes of a file, or fewer when it is shorter.
// A failure's text follows "<path>: ".
absl::StatusOr<Shebang> ParseShebang(absl::string_view start);

// For an interpreter that is env(1): the program that it will run, when that
// can be told from `argument` without knowing all of env's language.
std::optional<std::string> ProgramOfEnv(absl::string_view argument);

}  // namespace memalloc::run

#endif  // TOOLS_RUN_SHEBANG_H_
