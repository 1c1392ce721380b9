// One run of the program for --compare, and what it took.
//
// What the program writes goes through pipes, is hashed and dropped. One run
// may write to the caller's own stdout and stderr instead: its reader can take
// its time, and what it takes is no figure. The program runs in a session of
// its own, without a terminal, so that Ctrl-C reaches memalloc_run alone, which
// then ends the run. All that it started is ended with it, daemons too.
//
// The kernel's figures are those of the program and of the children that it
// waited for: the times of all, the peak of the largest. Used by compare.cc, by
// one thread.

#ifndef TOOLS_RUN_COMPARE_RUN_H_
#define TOOLS_RUN_COMPARE_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/run/spawn.h"

namespace memalloc::run {

// How a run went.
struct MeasuredRun {
  // As wait(2) gives it.
  int wait_status = 0;
  bool timed_out = false;
  double wall_seconds = 0;
  double cpu_seconds = 0;
  uint64_t peak_rss_bytes = 0;
  // Of all that it wrote to stdout.
  uint64_t output_hash = 0;
  // The last line that it wrote to stderr.
  std::string last_words;
  // The signal by which the user ended memalloc_run meanwhile; 0 for none.
  int interrupted_by = 0;
};

// Whether there may be something on stdin that the runs cannot read, as it can
// be read only once. A terminal does not count.
bool IsInputLost();

// Runs the program, as often as wanted.
class Stopwatch {
 public:
  // Takes the signals that end memalloc_run, as long as it lives. A run is
  // ended after `timeout_seconds`, unless that is 0.
  Stopwatch(std::string path, char** program_argv, uint32_t timeout_seconds);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // Runs it with `preload`, unless that is empty. With `shows_output` it writes
  // to memalloc_run's stdout and stderr, and nothing is known of that.
  absl::StatusOr<MeasuredRun> Measure(const std::string& preload,
                                      bool shows_output);

 private:
  const std::string path_;
  char** const argv_;
  const uint32_t timeout_seconds_;
  // Of this process, before it was memalloc_run.
  const std::vector<pid_t> callers_children_;
  SignalState callers_signals_;
  int signal_fd_ = -1;
};

}  // namespace memalloc::run

#endif  // TOOLS_RUN_COMPARE_RUN_H_
