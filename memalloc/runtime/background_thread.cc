// A thread that lets idle memory go back while the program does nothing, and
// writes reports at a signal. There is none unless the program, or an option
// (see StartWantedBackgroundThread), asks for it.
//
// It has no heap, allocates nothing and blocks all signals. One generation of
// it runs at a time: it ends when the generation's number, on which it waits,
// is another one. Its lock is acquired before all others of the allocator,
// also by a thread that forks; the child has no such thread and may start one.

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/lock.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/heap/watched_calls.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

// It needs few kilobytes, and has locked memory (mlockall) all of them.
constexpr size_t kStackSize = size_t{128} << 10;

// Bounds of the wait, in milliseconds: a changed delay is seen soon, and a
// short one does not keep the processor busy. The clock may lag by a few.
constexpr uint64_t kMinWait = 10;
constexpr uint64_t kMaxWait = 1000;
constexpr uint64_t kClockLag = 10;

Lock g_lock;
bool g_is_running MEMALLOC_GUARDED_BY(g_lock) = false;
pthread_t g_thread MEMALLOC_GUARDED_BY(g_lock);
// Written under the lock. Release pairs with the acquire of the thread.
std::atomic<uint32_t> g_generation{0};
std::atomic<bool> g_was_wanted{false};

void* Run(void* argument) {
  const auto mine =
      static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument));
  uint64_t report = os::NowMilliseconds();  // when the last one was due
  while (g_generation.load(std::memory_order_acquire) == mine) {
    const uint64_t interval = GetOption(Option::kPurgeDelay) / 2 + kClockLag;
    const bool goes_on = g_central_heap.purge_goes_on();
    os::WaitWhile(g_generation, mine,
                  goes_on ? kMinWait : Min(kMaxWait, Max(kMinWait, interval)));
    g_central_heap.LookAtClock(/*mine=*/nullptr);
    const uint64_t now = os::NowMilliseconds();
    const uint64_t report_interval = GetOption(Option::kReportInterval);
    const bool is_time =
        report_interval != 0 && now >= report + report_interval;
    if (is_time) report = now;
    if (TakeReportRequest() || is_time) WriteWantedReports();
  }
  return nullptr;
}

int Create(pthread_t* thread, uint32_t generation) {
  void* argument = reinterpret_cast<void*>(uintptr_t{generation});
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  pthread_attr_setstacksize(&attributes, kStackSize);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(thread, &attributes, &Run, argument);
  // Too little for a program with much thread-local data.
  if (error == EINVAL) error = pthread_create(thread, nullptr, &Run, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

// Where the first malloc came before libc was ready for threads.
__attribute__((constructor)) void StartAfterLibc() {
  const OwnHeapScope scope;
  if (!IsStandIn(t_heap)) StartWantedBackgroundThread();
}

}  // namespace

int StartBackgroundThread() {
  // In a handler of fork, which holds the locks.
  if (HoldsAllForFork()) return EAGAIN;
  const int saved_errno = errno;
  const OwnHeapScope scope;
  AttachThread();
  RegisterForkHandlersOnce();
  int error = 0;
  {
    const LockHolder holder(g_lock);
    if (!g_is_running) {
      const uint32_t generation =
          g_generation.fetch_add(1, std::memory_order_release) + 1;
      error = Create(&g_thread, generation);
      g_is_running = error == 0;
    }
  }
  errno = saved_errno;
  return error;
}

void StopBackgroundThread() {
  if (HoldsAllForFork()) return;
  const int saved_errno = errno;
  pthread_t thread;
  {
    const LockHolder holder(g_lock);
    if (!g_is_running) return;
    g_is_running = false;
    thread = g_thread;
    g_generation.fetch_add(1, std::memory_order_release);
  }
  os::WakeAll(g_generation);
  pthread_join(thread, nullptr);
  errno = saved_errno;
}

// A signal that comes while the thread is about to wait is seen after the wait.
void WakeBackgroundThread() { os::WakeAll(g_generation); }

MEMALLOC_USUAL void StartWantedBackgroundThread() {
  constexpr Option kWanting[] = {Option::kBackgroundThread,
                                 Option::kReportSignal, Option::kReportInterval,
                                 Option::kReportBytes};
  bool is_wanted = false;
  for (Option option : kWanting) is_wanted |= GetOption(option) != 0;
  if (!is_wanted) return;
  // The program's name is among what libc sets up before it runs constructors.
  if (os::ProgramName()[0] == '\0') return;
  if (g_was_wanted.exchange(true, std::memory_order_relaxed)) return;
  StartBackgroundThread();
}

void PrepareForkOfBackgroundThread() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
  g_lock.Acquire();
}

void AfterForkOfBackgroundThread(bool in_child)
    MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
  if (!in_child) return g_lock.Release();
  g_lock.ReinitialiseInChild();
  g_is_running = false;
  g_was_wanted.store(false, std::memory_order_relaxed);
}

}  // namespace memalloc
