// Signals with --stats, where memalloc_run is between the caller and the
// program: each signal reaches the program exactly once, however it was sent.
//
// No test waits for time, only for states. A signal that must not arrive is
// followed by one that must: memalloc_run passes on pending signals from the
// lowest number to the highest, so when SIGUSR2 has arrived, a SIGINT would
// have arrived before. To leave no room for luck, memalloc_run is stopped while
// the program takes what was sent to the group; what it then passed on would be
// seen apart.

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run/harness.h"

namespace memalloc::run_testing {
namespace {

using ::testing::HasSubstr;

std::string Line(int signal, int value = 0) {
  return "signal " + std::to_string(signal) + " value " + std::to_string(value);
}

// memalloc_run --stats probe, as the leader of a process group, as a shell
// starts a job. `command` and
// `more` are those of probe.cc.
class Job {
 public:
  explicit Job(const std::string& command, const std::string& more = "")
      : process_({RunnerPath(), "--stats", ProbePath(), command, more},
                 Options()) {
    std::istringstream pids(process_.ReadLine());
    pids >> program_ >> parent_;
    EXPECT_EQ(parent_, process_.pid());
    EXPECT_EQ(getpgid(program_), more == "leave" ? program_ : process_.pid());
  }

  Process& process() { return process_; }
  pid_t runner() const { return process_.pid(); }
  pid_t program() const { return program_; }

  void SignalRunner(int signal) { kill(runner(), signal); }
  void SignalGroup(int signal) { kill(-runner(), signal); }

  std::string ReadLine() { return process_.ReadLine(); }

  // Ends the program and expects that nothing more was printed.
  void Finish() {
    process_.CloseInput();
    EXPECT_EQ(process_.ReadOutput(), "");
    EXPECT_EQ(process_.Wait(), 0);
  }

 private:
  static StartOptions Options() {
    StartOptions options;
    options.before_exec = [] { setpgid(0, 0); };
    return options;
  }

  Process process_;
  pid_t program_ = -1;
  pid_t parent_ = -1;
};

// The processes that `parent` has started, but for `program`.
std::vector<pid_t> OtherChildren(pid_t parent, pid_t program) {
  const std::string id = std::to_string(parent);
  std::ifstream list("/proc/" + id + "/task/" + id + "/children");
  std::vector<pid_t> children;
  for (pid_t child; list >> child;) {
    if (child != program) children.push_back(child);
  }
  return children;
}

// Returns when /proc/PID/status contains `text`.
void WaitForStatus(pid_t pid, const std::string& text) {
  const std::string path = "/proc/" + std::to_string(pid) + "/status";
  while (ReadFile(path).find(text) == std::string::npos) usleep(1000);
}

TEST(SignalsTest, ToTheRunnerArePassedOn) {
  Job job("signals");
  for (const int signal :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT,
        SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM, SIGPIPE, SIGABRT, SIGIO, SIGURG,
        SIGRTMIN, SIGRTMAX}) {
    job.SignalRunner(signal);
    EXPECT_EQ(job.ReadLine(), Line(signal));
  }
  job.Finish();
}

TEST(SignalsTest, ValuesArePassedOn) {
  Job job("signals");
  union sigval value = {};
  value.sival_int = 4711;
  sigqueue(job.runner(), SIGUSR1, value);
  EXPECT_EQ(job.ReadLine(), Line(SIGUSR1, 4711));
  job.Finish();
}

TEST(SignalsTest, ToTheGroupArriveOnce) {
  Job job("signals");
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1}) {
    job.SignalRunner(SIGSTOP);
    int status = job.process().Wait(WUNTRACED);
    ASSERT_TRUE(WIFSTOPPED(status));
    job.SignalGroup(signal);
    EXPECT_EQ(job.ReadLine(), Line(signal));
    // Pending for the runner together with the first.
    job.SignalRunner(SIGUSR2);
    job.SignalRunner(SIGCONT);
    EXPECT_EQ(job.ReadLine(), Line(SIGUSR2));
    EXPECT_EQ(job.ReadLine(), Line(SIGCONT));
  }
  job.Finish();
}

TEST(SignalsTest, ToTheGroupThenToTheRunnerArriveTwice) {
  Job job("signals");
  for (int round = 0; round < 3; ++round) {
    job.SignalGroup(SIGINT);
    EXPECT_EQ(job.ReadLine(), Line(SIGINT));
    job.SignalRunner(SIGUSR2);
    EXPECT_EQ(job.ReadLine(), Line(SIGUSR2));
    job.SignalRunner(SIGINT);
    EXPECT_EQ(job.ReadLine(), Line(SIGINT));
  }
  job.Finish();
}

TEST(SignalsTest, SeveralToTheGroupAtOnce) {
  Job job("signals");
  job.SignalRunner(SIGSTOP);
  ASSERT_TRUE(WIFSTOPPED(job.process().Wait(WUNTRACED)));
  job.SignalGroup(SIGHUP);
  EXPECT_EQ(job.ReadLine(), Line(SIGHUP));
  job.SignalGroup(SIGINT);
  EXPECT_EQ(job.ReadLine(), Line(SIGINT));
  job.SignalGroup(SIGTERM);
  EXPECT_EQ(job.ReadLine(), Line(SIGTERM));
  job.SignalRunner(SIGCONT);
  EXPECT_EQ(job.ReadLine(), Line(SIGCONT)) << "and nothing before it";
  job.Finish();
}

// As an interactive shell does.
TEST(SignalsTest, ToTheGroupThatTheProgramHasLeft) {
  Job job("signals", "leave");
  job.SignalGroup(SIGTERM);
  EXPECT_EQ(job.ReadLine(), Line(SIGTERM));
  job.Finish();
}

TEST(SignalsTest, DeathByAPassedOnSignal) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Job job("idle");
    job.SignalRunner(signal);
    const int status = job.process().Wait();
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), signal);
    EXPECT_THAT(job.process().ReadErrors(),
                HasSubstr("killed by signal " + std::to_string(signal)));
  }
}

TEST(SignalsTest, DeathByASignalToTheGroup) {
  Job job("idle");
  job.SignalGroup(SIGINT);
  const int status = job.process().Wait();
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
  EXPECT_THAT(job.process().ReadErrors(), HasSubstr("killed by signal 2"));
}

TEST(SignalsTest, StopAndContinueAJob) {
  for (const int signal : {SIGTSTP, SIGTTIN, SIGTTOU}) {
    Job job("idle");
    job.SignalGroup(signal);
    int status = job.process().Wait(WUNTRACED);
    ASSERT_TRUE(WIFSTOPPED(status));
    EXPECT_EQ(WSTOPSIG(status), signal) << "as the program was stopped";
    job.SignalGroup(SIGCONT);
    job.Finish();
  }
}

TEST(SignalsTest, StopTheRunnerAlone) {
  Job job("idle");
  job.SignalRunner(SIGTSTP);
  ASSERT_TRUE(WIFSTOPPED(job.process().Wait(WUNTRACED)));
  job.SignalRunner(SIGCONT);
  job.Finish();
}

TEST(SignalsTest, DebuggersStopOfTheProgramIsNotCopied) {
  Job job("signals");
  kill(job.program(), SIGSTOP);
  WaitForStatus(job.program(), "State:\tT");
  // Passed on after the runner has seen the stop: SIGCHLD has a lower number.
  job.SignalRunner(SIGWINCH);
  WaitForStatus(job.program(), "ShdPnd:\t0000000008000000");
  kill(job.program(), SIGCONT);
  EXPECT_EQ(job.ReadLine(), Line(SIGCONT));
  EXPECT_EQ(job.ReadLine(), Line(SIGWINCH));
  job.Finish();
}

TEST(SignalsTest, TheProgramDiesWithTheRunner) {
  Job job("idle");
  job.SignalRunner(SIGKILL);
  const int status = job.process().Wait();
  ASSERT_TRUE(WIFSIGNALED(status));
  // The program holds the pipe; it would wait for its input forever.
  EXPECT_EQ(job.process().ReadOutput(), "");
}

TEST(SignalsTest, TheProgramsSignalToItsParentDoesNotComeBack) {
  Process process({RunnerPath(), "--stats", "/bin/sh", "-c",
                   "trap 'echo came back' USR1; kill -USR1 $PPID; "
                   "echo sent; read line; echo end"});
  EXPECT_EQ(process.ReadLine(), "sent");
  kill(process.pid(), SIGWINCH);
  process.CloseInput();
  EXPECT_EQ(process.ReadOutput(), "end\n");
  EXPECT_EQ(process.Wait(), 0);
}

TEST(SignalsTest, KillingByNameDoesNotReachTheWitness) {
  Job job("signals");
  const std::vector<pid_t> others = OtherChildren(job.runner(), job.program());
  ASSERT_EQ(others.size(), 1u);
  // The program may be faster than the witness, which hides in two steps.
  WaitForStatus(others[0], "Name:\trun_witness\n");
  const std::string words = "/proc/" + std::to_string(others[0]) + "/cmdline";
  while (ReadFile(words).find_first_not_of('\0') != std::string::npos) {
    usleep(1000);
  }
  EXPECT_THAT(ReadFile("/proc/" + std::to_string(job.runner()) + "/cmdline"),
              HasSubstr("memalloc_run"));
  job.Finish();
}

TEST(SignalsTest, NoProcessIsLeftBehind) {
  Job job("signals");
  job.SignalGroup(SIGINT);
  EXPECT_EQ(job.ReadLine(), Line(SIGINT));
  job.Finish();
  EXPECT_EQ(kill(-job.runner(), 0), -1) << "the group still has members";
}

// A terminal, and memalloc_run in its foreground, started as a shell does it.
TEST(SignalsTest, KeysOfATerminalArriveOnce) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(grantpt(terminal), 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  const std::string name = ptsname(terminal);
  StartOptions options;
  options.before_exec = [&name] {
    setsid();
    const int fd = open(name.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) != 0) _exit(202);
  };
  Process process({RunnerPath(), "--stats", ProbePath(), "signals"}, options);
  process.ReadLine();
  for (const auto& [key, signal] :
       std::vector<std::pair<char, int>>{{3, SIGINT}, {28, SIGQUIT}}) {
    kill(process.pid(), SIGSTOP);
    ASSERT_TRUE(WIFSTOPPED(process.Wait(WUNTRACED)));
    ASSERT_EQ(write(terminal, &key, 1), 1);
    EXPECT_EQ(process.ReadLine(), Line(signal));
    kill(process.pid(), SIGUSR2);
    kill(process.pid(), SIGCONT);
    EXPECT_EQ(process.ReadLine(), Line(SIGUSR2));
    EXPECT_EQ(process.ReadLine(), Line(SIGCONT));
  }
  // The hang-up is for the leader of the session only, when it still lives.
  close(terminal);
  EXPECT_EQ(process.ReadLine(), Line(SIGHUP));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 0);
}

}  // namespace
}  // namespace memalloc::run_testing
