// Implementation of failure.h.
//
// Only the mapping between absl's canonical codes and exit statuses lives
// here; nobody else looks at the codes. kInternal stands for 125 and is also
// what any other code maps to, because a failure that nobody foresaw is one of
// memalloc_run itself and must not look like the program's.

#include "tools/run/failure.h"

#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace memalloc::run {

absl::Status OwnFailure(absl::string_view text) {
  return absl::InternalError(text);
}

absl::Status CannotRun(absl::string_view text) {
  return absl::FailedPreconditionError(text);
}

absl::Status NotFound(absl::string_view text) {
  return absl::NotFoundError(text);
}

absl::Status Prefixed(absl::string_view prefix, const absl::Status& failure) {
  if (failure.ok()) return failure;
  return absl::Status(failure.code(), absl::StrCat(prefix, failure.message()));
}

int ExitStatus(const absl::Status& failure) {
  switch (failure.code()) {
    case absl::StatusCode::kFailedPrecondition:
      return 126;
    case absl::StatusCode::kNotFound:
      return 127;
    default:
      return 125;
  }
}

std::string ErrnoText(int error) { return std::strerror(error); }

void WriteToStderr(absl::string_view text) {
  const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size());
  static_cast<void>(ignored);
}

}  // namespace memalloc::run
