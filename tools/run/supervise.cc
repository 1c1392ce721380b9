// Implementation of supervise.h.
//
// Order matters at the start: signals are blocked first, so that none is lost
// between the fork and the loop; the witness exists before the program, so
// that it sees every signal the program gets by the group.

#include "tools/run/supervise.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <initializer_list>

#include "tools/run/descriptors.h"
#include "tools/run/group_witness.h"
#include "tools/run/spawn.h"

namespace memalloc::run {
namespace {

// All signals but those that a crash of memalloc_run itself raises.
sigset_t PassedOnSignals() {
  sigset_t set;
  sigfillset(&set);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    sigdelset(&set, signal);
  }
  return set;
}

// Stops this process as the program was stopped, until it is continued.
void StopLikeProgram(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  struct sigaction before;
  sigaction(signal, &standard, &before);
  raise(signal);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  sigaction(signal, &before, nullptr);
}

// The stops that come from a terminal. A stop by SIGSTOP is not copied: who
// sends it, a debugger for example, continues the program alone.
bool IsJobControlStop(int signal) {
  return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

void PassOn(const siginfo_t& signal, pid_t program, GroupWitness& witness) {
  const bool sent_to_group = witness.SentToGroup(signal);
  // An interactive shell leaves the group.
  if (sent_to_group && getpgid(program) == getpgrp()) return;
  // The program signals its parent: that is not meant for itself.
  if (signal.si_code <= 0 && signal.si_pid == program) return;
  if (signal.si_code == SI_QUEUE) {
    sigqueue(program, signal.si_signo, signal.si_value);
  } else {
    kill(program, signal.si_signo);
  }
}

// Waits for the end of the program and passes on signals until then.
Ending WaitForEnd(pid_t program, const sigset_t& signals,
                  GroupWitness& witness) {
  Ending ending;
  ending.pid = program;
  for (;;) {
    siginfo_t signal;
    if (sigwaitinfo(&signals, &signal) < 0) continue;
    if (signal.si_signo != SIGCHLD) {
      PassOn(signal, program, witness);
      continue;
    }
    // One SIGCHLD may stand for several changes.
    while (wait4(program, &ending.wait_status, WNOHANG | WUNTRACED,
                 &ending.usage) == program) {
      if (!WIFSTOPPED(ending.wait_status)) return ending;
      const int stop = WSTOPSIG(ending.wait_status);
      if (IsJobControlStop(stop)) StopLikeProgram(stop);
    }
  }
}

}  // namespace

absl::StatusOr<Ending> Supervise(const std::string& path, char** program_argv,
                                 char** own_argv) {
  const sigset_t signals = PassedOnSignals();
  const SignalState before = TakeSignals(signals);
  GroupWitness witness(own_argv);
  absl::StatusOr<pid_t> program = Spawn(path, program_argv, before);
  if (!program.ok()) return program.status();
  CloseFilesExcept({STDERR_FILENO});
  return WaitForEnd(*program, signals, witness);
}

void EndAs(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    // A core pattern that is a pipe disregards the limit.
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, nullptr);
    raise(signal);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    _exit(128 + signal);
  }
  std::exit(WEXITSTATUS(wait_status));
}

}  // namespace memalloc::run
