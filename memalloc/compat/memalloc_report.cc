// A report goes through a file without a name; see memalloc_report.h.

#include "memalloc/compat/memalloc_report.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memalloc/memalloc.h"

namespace {

int ReadAll(int fd, void (*write)(void*, const char*, size_t), void* argument) {
  char buffer[4096];
  off_t at = 0;
  for (;;) {
    const ssize_t n = pread(fd, buffer, sizeof(buffer) - 1, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return 0;
    buffer[n] = '\0';
    write(argument, buffer, static_cast<size_t>(n));
    at += n;
  }
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int memalloc_read_report(
    const char* kind, void (*write)(void*, const char*, size_t),
    void* argument) {
  if (memalloc_write_report == nullptr) return ENOENT;
  const int saved_errno = errno;
  int error;
  const int fd = memfd_create("memalloc", MFD_CLOEXEC);
  if (fd < 0) {
    error = errno;
  } else {
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    error = memalloc_write_report(kind, path);
    if (error == 0) error = ReadAll(fd, write, argument);
    close(fd);
  }
  errno = saved_errno;
  return error;
}
