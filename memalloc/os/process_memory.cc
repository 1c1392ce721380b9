// Pipes and page maps; see process_memory.h.

#include "memalloc/os/process_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "memalloc/base/math.h"
#include "memalloc/os/os.h"

namespace memalloc::os {
namespace {

// In a program that closed its standard streams a pipe must not become one.
int MoveAbove(int fd) {
  if (fd < 0 || fd > kStderrDescriptor) return fd;
  const int above = fcntl(fd, F_DUPFD_CLOEXEC, kStderrDescriptor + 1);
  close(fd);
  return above;
}

void CloseAny(int fd) {
  if (fd >= 0) close(fd);
}

}  // namespace

ProcessMemory::ProcessMemory() {
  const int saved_errno = errno;
  int ends[2];
  // A full pipe must not stop us.
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
    reads_ = MoveAbove(ends[0]);
    writes_ = reads_ < 0 ? -1 : MoveAbove(ends[1]);
    if (reads_ < 0) close(ends[1]);
    page_map_ = MoveAbove(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  }
  errno = saved_errno;
}

ProcessMemory::~ProcessMemory() {
  const int saved_errno = errno;
  CloseAny(reads_);
  CloseAny(writes_);
  CloseAny(page_map_);
  errno = saved_errno;
}

size_t ProcessMemory::Copy(const Piece* pieces, size_t count, char* to) {
  static_assert(sizeof(Piece) == sizeof(iovec));
  const int saved_errno = errno;
  ssize_t in;
  do {
    in = writev(writes_, reinterpret_cast<const iovec*>(pieces),
                static_cast<int>(count));
  } while (in < 0 && errno == EINTR);
  size_t out = 0;
  while (in > 0 && out < static_cast<size_t>(in)) {
    const ssize_t n = read(reads_, to + out, static_cast<size_t>(in) - out);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    out += static_cast<size_t>(n);
  }
  errno = saved_errno;
  return out;
}

// A word for each page; see the kernel's documentation of pagemap.
bool ProcessMemory::LookAtPages(uintptr_t start, size_t count,
                                PageState* states) {
  constexpr uint64_t kPresent = uint64_t{1} << 63;
  constexpr uint64_t kSwapped = uint64_t{1} << 62;
  constexpr uint64_t kOfFile = uint64_t{1} << 61;
  constexpr size_t kAtOnce = 128;
  if (page_map_ < 0) return false;
  const int saved_errno = errno;
  uint64_t words[kAtOnce];
  size_t done = 0;
  while (done < count) {
    const size_t bytes = Min(count - done, kAtOnce) * sizeof(words[0]);
    const size_t place = (start / PageSize() + done) * sizeof(words[0]);
    const ssize_t n = pread(page_map_, words, bytes, static_cast<off_t>(place));
    if (n < 0 && errno == EINTR) continue;
    const size_t pages = n <= 0 ? 0 : static_cast<size_t>(n) / sizeof(words[0]);
    if (pages == 0) break;
    for (size_t i = 0; i < pages; ++i) {
      states[done + i] = (words[i] & (kPresent | kSwapped)) == 0
                             ? PageState::kNeverWritten
                         : (words[i] & kOfFile) != 0 ? PageState::kShared
                                                     : PageState::kOwn;
    }
    done += pages;
  }
  errno = saved_errno;
  return done == count;
}

}  // namespace memalloc::os
