// Implementation of descriptors.h.
//
// The open descriptors are listed in /proc/self/fd; close_range(2) would be
// one call, but is younger than some kernels and C libraries in use. Without
// /proc nothing beyond 0, 1 and 2 is closed.

#include "tools/run/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"

namespace memalloc::run {
namespace {

bool Contains(const std::vector<int>& numbers, int number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

std::vector<int> OpenDescriptors() {
  std::vector<int> result;
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  for (; !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    int fd = -1;
    if (absl::SimpleAtoi(entry->path().filename().string(), &fd)) {
      result.push_back(fd);
    }
  }
  return result;
}

}  // namespace

void CloseFilesExcept(const std::vector<int>& kept) {
  // The list holds the descriptor of the listing too, closed by now; closing
  // it again is an error without effect.
  for (const int fd : OpenDescriptors()) {
    if (fd > STDERR_FILENO && !Contains(kept, fd)) close(fd);
  }
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (Contains(kept, fd)) continue;
    if (null >= 0) {
      dup2(null, fd);
    } else {
      close(fd);
    }
  }
  if (null > STDERR_FILENO) close(null);
}

}  // namespace memalloc::run
