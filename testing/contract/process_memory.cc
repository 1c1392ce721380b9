// Reads /proc/self/statm: "size resident shared ..." in pages. A process that
// cannot read it ends with a message, since every bound computed from a zero
// would hold. Used by the contract, process and stress tests; no state, no
// locking.

#include "testing/contract/process_memory.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

namespace contract {
namespace {

// The `field`-th number of /proc/self/statm, in bytes.
size_t Statm(int field) {
  char text[256];
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  const ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
  if (length <= 0) {
    constexpr char kMessage[] = "cannot read /proc/self/statm\n";
    if (write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1) < 0) _exit(126);
    _exit(125);
  }
  close(file);
  text[length] = '\0';
  char* at = text;
  size_t pages = 0;
  for (int i = 0; i <= field; ++i) pages = std::strtoul(at, &at, 10);
  return pages * static_cast<size_t>(getpagesize());
}

}  // namespace

size_t ResidentBytes() { return Statm(1); }

size_t AddressSpaceBytes() { return Statm(0); }

size_t DataBytes() { return Statm(5); }

size_t PeakResidentBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

}  // namespace contract
