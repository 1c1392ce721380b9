// Pipes and page maps; see process_memory.h.

#include "memalloc/os/process_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
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

}  // namespace

void ProcessMemory::File::Take(int descriptor) {
  struct stat about;
  if (descriptor < 0 || fstat(descriptor, &about) != 0) return;
  descriptor_ = descriptor;
  device_ = about.st_dev;
  number_ = about.st_ino;
}

bool ProcessMemory::File::IsOpen() const {
  struct stat about;
  return descriptor_ >= 0 && fstat(descriptor_, &about) == 0 &&
         about.st_dev == device_ && about.st_ino == number_;
}

ProcessMemory::File::~File() {
  const int saved_errno = errno;
  if (IsOpen()) close(descriptor_);
  errno = saved_errno;
}

ProcessMemory::ProcessMemory() {
  const int saved_errno = errno;
  int ends[2];
  // A full pipe must not stop us.
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
    reads_.Take(MoveAbove(ends[0]));
    writes_.Take(MoveAbove(ends[1]));
    page_map_.Take(MoveAbove(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)));
  }
  errno = saved_errno;
}

bool ProcessMemory::IsWhole() const {
  const int saved_errno = errno;
  const bool is_whole = !has_failed_ && reads_.IsOpen() && writes_.IsOpen();
  errno = saved_errno;
  return is_whole;
}

size_t ProcessMemory::Copy(const Piece* pieces, size_t count, char* to) {
  static_assert(sizeof(Piece) == sizeof(iovec));
  if (has_failed_) return 0;
  const int saved_errno = errno;
  ssize_t in;
  do {
    in = writev(writes_.descriptor(), reinterpret_cast<const iovec*>(pieces),
                static_cast<int>(count));
  } while (in < 0 && errno == EINTR);
  // Nothing else says that there is nothing.
  if (in < 0 && errno != EFAULT) has_failed_ = true;
  size_t out = 0;
  while (in > 0 && out < static_cast<size_t>(in)) {
    const ssize_t n =
        read(reads_.descriptor(), to + out, static_cast<size_t>(in) - out);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      has_failed_ = true;
      break;
    }
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
  const int saved_errno = errno;
  if (!page_map_.IsOpen()) {
    errno = saved_errno;
    return false;
  }
  uint64_t words[kAtOnce];
  size_t done = 0;
  while (done < count) {
    const size_t bytes = Min(count - done, kAtOnce) * sizeof(words[0]);
    const size_t place = (start / PageSize() + done) * sizeof(words[0]);
    const ssize_t n =
        pread(page_map_.descriptor(), words, bytes, static_cast<off_t>(place));
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
