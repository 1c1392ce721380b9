// Implementation of compare_run.h.
//
// All that can happen is waited for in one poll(): output, signals, the time
// limit. Where the program has ended, its process group is killed before it is
// waited for, as until then no other process can get its number. What left the
// group is a child of memalloc_run then: orphans come to a subreaper.

#include "tools/run/compare_run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/run/environment.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

// How long a program that was asked to end may take for it.
constexpr double kGraceSeconds = 2;

double Now() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * now.tv_nsec;
}

double Seconds(const struct timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * time.tv_usec;
}

// One of the program's outputs.
class Stream {
 public:
  Stream() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    read_end_ = ends[0];
    write_end_ = ends[1];
  }
  ~Stream() {
    CloseWriteEnd();
    Close(read_end_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool is_open() const { return read_end_ >= 0; }
  // For poll(), which passes over -1.
  int read_end() const { return read_end_; }
  int write_end() const { return write_end_; }
  uint64_t hash() const { return hash_; }

  void CloseWriteEnd() { Close(write_end_); }

  // Takes what is there, without waiting: a pipe never holds more than this.
  void Drain() {
    static char buffer[1 << 20];
    if (read_end_ < 0) return;
    const ssize_t count = read(read_end_, buffer, sizeof(buffer));
    if (count == 0) Close(read_end_);
    if (count > 0) Take({buffer, static_cast<size_t>(count)});
  }

  // The last line with something in it, or its end if it is very long.
  std::string LastLine() const {
    const absl::string_view text = absl::StripTrailingAsciiWhitespace(tail_);
    return std::string(text.substr(text.rfind('\n') + 1));
  }

 private:
  static constexpr size_t kTail = 500;

  static void Close(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }

  void Take(absl::string_view text) {
    // FNV-1a, as the same text may come in other pieces.
    for (const char c : text) {
      hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    absl::StrAppend(&tail_,
                    text.substr(text.size() - std::min(text.size(), kTail)));
    tail_.erase(0, tail_.size() - std::min(tail_.size(), kTail));
  }

  int read_end_ = -1;
  int write_end_ = -1;
  uint64_t hash_ = 0xcbf29ce484222325;
  std::string tail_;
};

// The file that is memalloc_run's stdin, from where that stands; -1 if it
// cannot be opened anew.
int ReopenInput() {
  struct stat file;
  if (fstat(STDIN_FILENO, &file) != 0 || !S_ISREG(file.st_mode)) return -1;
  const int fd = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) lseek(fd, lseek(STDIN_FILENO, 0, SEEK_CUR), SEEK_SET);
  return fd;
}

int OpenNull() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

// This process's own; none if /proc does not say.
std::vector<pid_t> Children() {
  std::ifstream list(absl::StrCat("/proc/self/task/", getpid(), "/children"));
  return {std::istream_iterator<pid_t>(list), {}};
}

// Kills the children that are not `kept`, as far as it may, and theirs, and
// waits for them.
void EndChildrenExcept(const std::vector<pid_t>& kept) {
  bool is_any_killed;
  do {
    is_any_killed = false;
    for (const pid_t child : Children()) {
      if (std::count(kept.begin(), kept.end(), child) == 0 &&
          kill(child, SIGKILL) == 0) {
        is_any_killed = true;
      }
    }
  } while (is_any_killed && waitpid(-1, nullptr, 0) > 0);
}

// The watch over a program that runs.
class Watch {
 public:
  // `start` is when it was begun to start it.
  Watch(pid_t program, int signal_fd, double start, uint32_t timeout_seconds)
      : program_(program),
        signal_fd_(signal_fd),
        start_(start),
        deadline_(timeout_seconds == 0 ? std::numeric_limits<double>::infinity()
                                       : start_ + timeout_seconds) {}

  MeasuredRun ToTheEnd(Stream& output, Stream& errors) {
    while (!HasEnded()) {
      struct pollfd files[] = {{signal_fd_, POLLIN, 0},
                               {output.read_end(), POLLIN, 0},
                               {errors.read_end(), POLLIN, 0}};
      const int ready = poll(files, 3, Milliseconds());
      // Also while there is always something to read.
      OnDeadline();
      if (ready <= 0) continue;
      if (files[1].revents != 0) output.Drain();
      if (files[2].revents != 0) errors.Drain();
      if (files[0].revents != 0) OnSignal();
    }
    run_.wall_seconds = Now() - start_;
    // Nor does anything that it left disturb the next run.
    kill(-program_, SIGKILL);
    struct rusage usage;
    wait4(program_, &run_.wait_status, 0, &usage);
    run_.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
    run_.peak_rss_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
    output.Drain();
    errors.Drain();
    run_.output_hash = output.hash();
    run_.last_words = errors.LastLine();
    return std::move(run_);
  }

 private:
  bool HasEnded() const {
    siginfo_t info = {};
    waitid(P_PID, static_cast<id_t>(program_), &info,
           WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == program_;
  }

  // Until the deadline, for poll(), rounded up.
  int Milliseconds() const {
    const double left = std::max(0.0, (deadline_ - Now()) * 1000);
    constexpr double kMost = std::numeric_limits<int>::max() - 1;
    if (deadline_ == std::numeric_limits<double>::infinity()) return -1;
    return static_cast<int>(std::min(left, kMost)) + 1;
  }

  void OnDeadline() {
    if (Now() < deadline_) return;
    deadline_ = std::numeric_limits<double>::infinity();
    run_.timed_out = run_.interrupted_by == 0;
    kill(-program_, SIGKILL);
  }

  void OnSignal() {
    struct signalfd_siginfo signal;
    if (read(signal_fd_, &signal, sizeof(signal)) != sizeof(signal)) return;
    const int number = static_cast<int>(signal.ssi_signo);
    if (number == SIGCHLD) return;
    if (number == SIGTSTP) {
      Pause();
      return;
    }
    kill(-program_, number);
    // Asked twice, it ends at once.
    deadline_ = run_.interrupted_by == 0 ? Now() + kGraceSeconds : Now();
    run_.interrupted_by = number;
  }

  // Stops with the program, and does not count that time.
  void Pause() {
    const double stopped = Now();
    kill(-program_, SIGSTOP);
    raise(SIGSTOP);
    kill(-program_, SIGCONT);
    start_ += Now() - stopped;
    deadline_ += Now() - stopped;
  }

  const pid_t program_;
  const int signal_fd_;
  double start_;
  double deadline_;
  MeasuredRun run_;
};

}  // namespace

bool IsInputLost() {
  struct stat input;
  struct stat null;
  if (fstat(STDIN_FILENO, &input) != 0 || isatty(STDIN_FILENO) == 1 ||
      (stat("/dev/null", &null) == 0 && S_ISCHR(input.st_mode) &&
       input.st_rdev == null.st_rdev)) {
    return false;
  }
  const int fd = ReopenInput();
  if (fd >= 0) close(fd);
  return fd < 0;
}

Stopwatch::Stopwatch(std::string path, char** program_argv,
                     uint32_t timeout_seconds)
    : path_(std::move(path)),
      argv_(program_argv),
      timeout_seconds_(timeout_seconds),
      callers_children_(Children()) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal :
       {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP}) {
    sigaddset(&set, signal);
  }
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  callers_signals_ = TakeSignals(set);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Stopwatch::~Stopwatch() {
  close(signal_fd_);
  sigprocmask(SIG_SETMASK, &callers_signals_.mask, nullptr);
}

absl::StatusOr<MeasuredRun> Stopwatch::Measure(const std::string& preload,
                                               bool shows_output) {
  int input = ReopenInput();
  if (input < 0) input = OpenNull();
  Stream output;
  Stream errors;
  if (signal_fd_ < 0 || input < 0 || !output.is_open() || !errors.is_open()) {
    return OwnFailure(absl::StrCat("cannot prepare a run: ", ErrnoText(errno)));
  }
  const double start = Now();
  const absl::StatusOr<pid_t> program =
      Spawn(path_, argv_, callers_signals_, [&] {
        setsid();
        dup2(input, STDIN_FILENO);
        if (!shows_output) {
          dup2(output.write_end(), STDOUT_FILENO);
          dup2(errors.write_end(), STDERR_FILENO);
        }
        if (!preload.empty()) SetPreload(preload);
      });
  close(input);
  output.CloseWriteEnd();
  errors.CloseWriteEnd();
  if (!program.ok()) return program.status();
  MeasuredRun run = Watch(*program, signal_fd_, start, timeout_seconds_)
                        .ToTheEnd(output, errors);
  EndChildrenExcept(callers_children_);
  return run;
}

}  // namespace memalloc::run
