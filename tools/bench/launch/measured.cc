// `measured --report FILE [--preload OBJECT] -- PROGRAM ARGS...`: runs a
// program and writes what it used to FILE as one line of JSON.
//
// The driver is a large Python process, and the kernel counts the memory of
// whoever calls exec into the peak of the program it starts: so this small
// process stands between them. The peak is that of the largest process among
// the program and those it waited for (a compiler driver and its passes). The
// preload is set for the program only. Exit status: the program's, 128 + n
// after signal n, 127 when it could not be started.
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"

ABSL_FLAG(std::string, report, "", "where to write the line of JSON");
ABSL_FLAG(std::string, preload, "", "shared object for the program to preload");

namespace {

double Seconds(const struct timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * time.tv_usec;
}

double WallSeconds() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * now.tv_nsec;
}

[[noreturn]] void Become(char** program, const std::string& preload) {
  if (!preload.empty()) setenv("LD_PRELOAD", preload.c_str(), 1);
  execvp(program[0], program);
  std::fprintf(stderr, "measured: %s: %s\n", program[0], std::strerror(errno));
  _exit(127);
}

int Run(char** program, const std::string& preload, const std::string& report) {
  const double start = WallSeconds();
  const pid_t child = fork();
  if (child < 0) {
    std::perror("measured: fork");
    return 127;
  }
  if (child == 0) Become(program, preload);
  int status = 0;
  struct rusage usage;
  while (wait4(child, &status, 0, &usage) < 0) {
    if (errno != EINTR) return 127;
  }
  const double seconds = WallSeconds() - start;

  std::FILE* file = std::fopen(report.c_str(), "w");
  if (file == nullptr) {
    std::perror(report.c_str());
    return 127;
  }
  std::fprintf(file,
               "{\"seconds\": %.6f, \"cpu_seconds\": %.6f, "
               "\"peak_rss_kib\": %ld}\n",
               seconds, Seconds(usage.ru_utime) + Seconds(usage.ru_stime),
               usage.ru_maxrss);
  std::fclose(file);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "measured --report FILE [--preload OBJECT] -- PROGRAM ARGS...");
  std::vector<char*> program = absl::ParseCommandLine(argc, argv);
  program.erase(program.begin());
  const std::string report = absl::GetFlag(FLAGS_report);
  if (program.empty() || report.empty()) {
    std::fprintf(stderr, "measured: needs --report and a program\n");
    return 127;
  }
  program.push_back(nullptr);
  return Run(program.data(), absl::GetFlag(FLAGS_preload), report);
}
