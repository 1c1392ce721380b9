// The handler of SIGSEGV, and what it leaves to the one before it.

#include "memalloc/os/faults.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>

namespace memalloc::os {
namespace {

// Written before the handler is installed.
void (*g_look)(const Fault&);
// What it took the place of; known a moment later.
struct sigaction g_previous;
std::atomic<bool> g_has_previous{false};

Fault FaultOf(const siginfo_t* info, const void* context) {
  Fault fault = {reinterpret_cast<uintptr_t>(info->si_addr), 0,
                 Access::kUnknown};
#if defined(__x86_64__)
  constexpr greg_t kIsWrite = 2;  // of the page fault's error code
  const auto& registers =
      static_cast<const ucontext_t*>(context)->uc_mcontext.gregs;
  fault.pc = static_cast<uintptr_t>(registers[REG_RIP]);
  fault.access =
      (registers[REG_ERR] & kIsWrite) != 0 ? Access::kWrite : Access::kRead;
#elif defined(__aarch64__)
  fault.pc = static_cast<const ucontext_t*>(context)->uc_mcontext.pc;
#endif
  return fault;
}

// Sent by somebody, not raised by an instruction that would fault again.
bool IsSent(const siginfo_t* info) { return info->si_code <= 0; }

// As if the action that was there before had been there.
void PassOn(int number, siginfo_t* info, void* context) {
  while (!g_has_previous.load(std::memory_order_acquire)) sched_yield();
  const struct sigaction previous = g_previous;
  const bool is_function =
      previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN;
  if (is_function) {
    if ((previous.sa_flags & SA_RESETHAND) != 0) {
      g_previous.sa_handler = SIG_DFL;
      g_previous.sa_flags = 0;
    }
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
      return previous.sa_sigaction(number, info, context);
    }
    return previous.sa_handler(number);
  }
  if (IsSent(info) && previous.sa_handler == SIG_IGN) return;
  // The process dies when the instruction is tried again, with all registers
  // as they were, or of the same signal sent once more.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(number, &action, nullptr);
  if (IsSent(info)) {
    syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info);
  }
}

void OnSignal(int number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (!IsSent(info)) g_look(FaultOf(info, context));
  PassOn(number, info, context);
  errno = saved_errno;
}

}  // namespace

bool WatchFaults(void (*look)(const Fault&)) {
  const int saved_errno = errno;
  g_look = look;
  // A handler on this thread would wait for what comes behind it.
  sigset_t all;
  sigset_t mask;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &mask);
  struct sigaction action = {};
  sigaction(SIGSEGV, nullptr, &action);
  action.sa_sigaction = &OnSignal;
  action.sa_flags =
      SA_SIGINFO | SA_ONSTACK | (action.sa_flags & (SA_NODEFER | SA_RESTART));
  const bool is_watching = sigaction(SIGSEGV, &action, &g_previous) == 0;
  g_has_previous.store(true, std::memory_order_release);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  errno = saved_errno;
  return is_watching;
}

}  // namespace memalloc::os
