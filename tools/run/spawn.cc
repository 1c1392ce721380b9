// Implementation of spawn.h.
//
// A pipe that exec closes tells whether the child became the program.

#include "tools/run/spawn.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

absl::Status ExecFailure(const std::string& path, int error) {
  const std::string text =
      absl::StrCat(path, ": it cannot be executed: ", ErrnoText(error));
  return error == ENOENT ? NotFound(text) : CannotRun(text);
}

// In the child: becomes the program, or writes errno into `error_pipe`.
[[noreturn]] void BecomeProgram(const std::string& path, char** program_argv,
                                const SignalState& signals, pid_t parent,
                                int error_pipe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(EXIT_FAILURE);
  sigaction(SIGCHLD, &signals.on_child, nullptr);
  sigprocmask(SIG_SETMASK, &signals.mask, nullptr);
  execv(path.c_str(), program_argv);
  const int error = errno;
  const ssize_t ignored = write(error_pipe, &error, sizeof(error));
  static_cast<void>(ignored);
  _exit(EXIT_FAILURE);
}

// Returns 0 when the pipe was closed by a successful exec, or its errno.
int ReadExecError(int error_pipe) {
  int error = 0;
  ssize_t count;
  do {
    count = read(error_pipe, &error, sizeof(error));
  } while (count < 0 && errno == EINTR);
  return count == sizeof(error) ? error : 0;
}

}  // namespace

SignalState TakeSignals(const sigset_t& set) {
  SignalState before;
  sigprocmask(SIG_BLOCK, &set, &before.mask);
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &standard, &before.on_child);
  return before;
}

absl::Status Exec(const std::string& path, char** program_argv) {
  execv(path.c_str(), program_argv);
  return ExecFailure(path, errno);
}

absl::StatusOr<pid_t> Spawn(const std::string& path, char** program_argv,
                            const SignalState& before,
                            const std::function<void()>& prepare) {
  int error_pipe[2];
  if (pipe2(error_pipe, O_CLOEXEC) != 0) {
    return OwnFailure(absl::StrCat("cannot make a pipe: ", ErrnoText(errno)));
  }
  const pid_t parent = getpid();
  const pid_t program = fork();
  if (program < 0) {
    return OwnFailure(
        absl::StrCat("cannot make a process: ", ErrnoText(errno)));
  }
  if (program == 0) {
    prepare();
    BecomeProgram(path, program_argv, before, parent, error_pipe[1]);
  }
  close(error_pipe[1]);
  const int error = ReadExecError(error_pipe[0]);
  close(error_pipe[0]);
  if (error == 0) return program;
  waitpid(program, nullptr, 0);
  return ExecFailure(path, error);
}

}  // namespace memalloc::run
