// Files that the process maps instead of writing to them; see os.h.

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memalloc/os/os.h"

namespace memalloc::os {
namespace {

// Calls again what a signal interrupted.
template <typename Call>
auto Again(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// Takes room on the disk, lest writing to the mapping ends the process when
// that is full. Where the file system cannot do so, the file only gets longer.
bool Extend(int fd, off_t offset, off_t bytes) {
  if (Again([=] { return fallocate(fd, 0, offset, bytes); }) == 0) return true;
  if (errno != EOPNOTSUPP && errno != ENOSYS) return false;
  return Again([=] { return pwrite(fd, "", 1, offset + bytes - 1); }) == 1;
}

}  // namespace

int MakeFile(const char* path) {
  const int saved_errno = errno;
  const int fd = Again([=] {
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  });
  const int error = fd < 0 ? errno : 0;
  if (fd >= 0) close(fd);
  errno = saved_errno;
  return error;
}

uintptr_t MapFilePart(const char* path, uint64_t offset, size_t bytes,
                      int* error) {
  const int saved_errno = errno;
  const int fd = Again([=] { return open(path, O_RDWR | O_CLOEXEC); });
  void* start = MAP_FAILED;
  const auto place = static_cast<off_t>(offset);
  if (fd >= 0 && Extend(fd, place, static_cast<off_t>(bytes))) {
    start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, place);
  }
  *error = start == MAP_FAILED ? errno : 0;
  if (fd >= 0) close(fd);
  errno = saved_errno;
  return start == MAP_FAILED ? 0 : reinterpret_cast<uintptr_t>(start);
}

void UnmapFilePart(uintptr_t start, size_t bytes) {
  const int saved_errno = errno;
  munmap(reinterpret_cast<void*>(start), bytes);
  errno = saved_errno;
}

}  // namespace memalloc::os
