// See measure.h. Everything stays on the stack.
#include "tools/bench/workloads/measure.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace memalloc_bench {
namespace {

double Seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * now.tv_nsec;
}

int64_t Field(const char* text, const char* name) {
  const char* at = std::strstr(text, name);
  return at == nullptr ? 0 : std::strtoll(at + std::strlen(name), nullptr, 10);
}

}  // namespace

double WallSeconds() { return Seconds(CLOCK_MONOTONIC); }
double CpuSeconds() { return Seconds(CLOCK_PROCESS_CPUTIME_ID); }

Resident ReadResident() {
  Resident resident;
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return resident;
  char text[4096];
  const ssize_t length = read(file, text, sizeof(text) - 1);
  close(file);
  if (length <= 0) return resident;
  text[length] = '\0';
  resident.now_kib = Field(text, "VmRSS:");
  resident.peak_kib = Field(text, "VmHWM:");
  return resident;
}

Faults ReadFaults() {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return {usage.ru_minflt, usage.ru_nvcsw + usage.ru_nivcsw};
}

}  // namespace memalloc_bench
