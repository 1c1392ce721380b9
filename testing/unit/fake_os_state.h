// The fake kernel's state, shared by the test's side (fake_os.cc) and the
// core's (fake_os_calls.cc).
//
// One PROT_NONE reservation of the real kernel holds it all:
//   [room for the break | room for mappings]
// What becomes usable is made so by mprotect; what is given up is mapped anew,
// so that a use after it faults and a later use finds zeros, as with a real
// kernel. One mutex guards the state; a thread that forks holds it meanwhile.

#ifndef TESTING_UNIT_FAKE_OS_STATE_H_
#define TESTING_UNIT_FAKE_OS_STATE_H_

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "memalloc/os/faults.h"
#include "testing/unit/address_space.h"
#include "testing/unit/fake_os.h"

namespace memalloc::fake_os {

// Which calls of a kind fail, by their number.
struct Failures {
  size_t first = 0;  // 0 for none
  size_t times = 0;

  bool Has(size_t number) const {
    return first != 0 && number >= first && number - first < times;
  }
};

// A mutex that the thread that forks passes through: handlers of fork that run
// while it holds it may call the core.
class StateMutex {
 public:
  void lock();
  void unlock();

  // Around fork, in the thread that forks.
  void BeginFork();
  void EndFork();

 private:
  std::mutex mutex_;
};

using Actions = std::array<std::function<void()>, kNumCalls>;

struct State {
  explicit State(uintptr_t reservation);

  StateMutex mutex;

  const uintptr_t reservation;  // a multiple of the arena's size
  size_t page_size;
  uintptr_t break_start;
  uintptr_t break_now;
  uintptr_t break_limit;
  size_t memory_limit = SIZE_MAX;
  bool refusals_leave_holes = false;
  AddressSpace mappings;

  // What others took of the break.
  struct Foreign {
    uintptr_t start;
    size_t bytes;
  };
  std::vector<Foreign> foreign;

  std::array<size_t, kNumCalls> counts = {};
  std::array<Failures, kNumCalls> failures = {};
  size_t count_all = 0;
  Failures any_failure;
  bool has_failed = false;
  size_t refused = 0;
  size_t purged_bytes = 0;
  uint64_t now = 1000000;
  uint64_t time_to_touch = 0;
  // Time passed, or somebody was woken.
  std::condition_variable_any waiters;
  Actions before;
  Actions after;

  size_t thread_ids = 0;

  void (*look_at_fault)(const os::Fault&) = nullptr;

  size_t advised_huge = 0;
  size_t advised_small = 0;

  std::vector<std::string> environment;  // NAME=value
  std::map<std::string, std::string> files;
  bool secure_execution = false;
  std::string appended;
  // By descriptor; empty for those that are closed.
  std::vector<std::string> open_files;
  bool refuses_files = false;
  std::function<void()> before_each_write;

  // The top of the room for the break.
  uintptr_t BreakCeiling() const;
  // Bytes of the break and of mappings that can be used, others' too.
  size_t UsedMemory() const;
};

// The process's one state.
State& TheState();

using StateLock = std::lock_guard<StateMutex>;

// Ends the process: the core broke os.h's contract, or the test asked for what
// cannot be.
[[noreturn]] void Complain(const char* what, uintptr_t start, size_t bytes);

// Makes pages usable. The real kernel's page may be smaller than the fake one,
// or begin before `start` (the break's first one).
void Protect(uintptr_t start, size_t bytes);

// Takes pages away with what they hold.
void Forget(uintptr_t start, size_t bytes);

// Raises the break, for whoever asks, and returns where it stood; 0 if there is
// no room. The caller holds the lock.
uintptr_t RaiseBreak(State& state, size_t bytes);

}  // namespace memalloc::fake_os

#endif  // TESTING_UNIT_FAKE_OS_STATE_H_
