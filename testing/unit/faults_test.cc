// The handler of faults on the real kernel: what becomes of the action that it
// takes the place of, whatever other threads do meanwhile.

#include "memalloc/os/faults.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "gtest/gtest.h"

namespace {

// Run once, right before an action for SIGSEGV is installed, and right after,
// before the caller knows which was there.
std::function<void()> before_installation;  // NOLINT(cert-err58-cpp)
std::function<void()> after_installation;   // NOLINT(cert-err58-cpp)

void RunOnce(std::function<void()>* action) {
  const std::function<void()> run = std::move(*action);
  *action = nullptr;
  if (run) run();
}

}  // namespace

// In the place of libc's.
extern "C" int sigaction(int number, const struct sigaction* action,
                         struct sigaction* previous) noexcept {
  using Function = int(int, const struct sigaction*, struct sigaction*);
  static auto* const libcs =
      reinterpret_cast<Function*>(dlsym(RTLD_NEXT, "sigaction"));
  if (number != SIGSEGV || action == nullptr) {
    return libcs(number, action, previous);
  }
  RunOnce(&before_installation);
  struct sigaction found;
  const int result = libcs(number, action, &found);
  RunOnce(&after_installation);
  if (previous != nullptr) *previous = found;
  return result;
}

namespace memalloc {
namespace {

std::atomic<int> looks{0};
std::atomic<int> mended{0};
volatile char* page;

void Look(const os::Fault& fault) {
  EXPECT_EQ(fault.address, reinterpret_cast<uintptr_t>(page));
  ++looks;
}

// The program's own handler, which lets the instruction succeed.
void Mend(int) {
  ++mended;
  mprotect(const_cast<char*>(page), 1, PROT_READ | PROT_WRITE);
}

void InstallMend() {
  struct sigaction action = {};
  action.sa_handler = &Mend;
  sigaction(SIGSEGV, &action, nullptr);
}

// The thread that installs blocks all signals, and those that it makes too.
void Fault() {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  *page = 1;
}

// In a process of its own, which `body` does not return to if it fails.
void ExpectToMend(void (*body)()) {
  EXPECT_EXIT(
      {
        page = static_cast<char*>(
            mmap(nullptr, static_cast<size_t>(getpagesize()), PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        body();
        _exit(looks == 1 && mended == 1 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Faults, AreShownAndGoToTheHandlerThatWasThere) {
  ExpectToMend([] {
    InstallMend();
    os::WatchFaults(&Look);
    Fault();
  });
}

TEST(Faults, GoToAHandlerThatAnotherThreadJustInstalled) {
  ExpectToMend([] {
    before_installation = [] { std::thread(&InstallMend).join(); };
    os::WatchFaults(&Look);
    Fault();
  });
}

TEST(Faults, WaitUntilItIsKnownWhatWasThere) {
  ExpectToMend([] {
    InstallMend();
    std::thread other;
    after_installation = [&other] {
      other = std::thread(&Fault);
      // It is in the handler then, and gets some time to go wrong.
      while (looks == 0) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    };
    os::WatchFaults(&Look);
    other.join();
  });
}

}  // namespace
}  // namespace memalloc
