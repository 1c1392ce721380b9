// The core's side of the fake kernel: what memalloc/os/os.h declares.
//
// Growth of a mapping in place works where the books say that the pages behind
// are free. Actions of Before and After run without the lock.

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/layout/constants.h"
#include "memalloc/os/faults.h"
#include "memalloc/os/os.h"
#include "testing/unit/fake_os_state.h"

namespace memalloc {
namespace fake_os {
namespace {

void CheckPages(const State& state, const char* what, uintptr_t start,
                size_t bytes) {
  if (bytes == 0 || start % state.page_size != 0 ||
      bytes % state.page_size != 0) {
    Complain(what, start, bytes);
  }
}

// One of the core's calls that can fail, from its begin to its end.
class Entry {
 public:
  explicit Entry(Call call)
      : state_(TheState()), index_(static_cast<size_t>(call)) {
    Run(state_.before);
    lock_ = std::unique_lock<StateMutex>(state_.mutex);
    const size_t number = ++state_.counts[index_];
    const size_t number_all = ++state_.count_all;
    refused_ = state_.failures[index_].Has(number) ||
               state_.any_failure.Has(number_all);
    if (refused_) {
      state_.has_failed = true;
      ++state_.refused;
    }
  }
  ~Entry() {
    lock_.unlock();
    Run(state_.after);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  bool refused() const { return refused_; }
  State& state() { return state_; }

  // Whether the process may have so much more memory.
  bool MayHave(size_t bytes) {
    if (bytes <= state_.memory_limit &&
        state_.UsedMemory() <= state_.memory_limit - bytes) {
      return true;
    }
    state_.has_failed = true;
    return false;
  }

 private:
  void Run(Actions& actions) {
    std::function<void()> action;
    {
      const StateLock lock(state_.mutex);
      action.swap(actions[index_]);
    }
    if (action) action();
  }

  State& state_;
  const size_t index_;
  std::unique_lock<StateMutex> lock_;
  bool refused_;
};

// Pages move with what they hold; `start` stays mapped. The kernel does it
// without looking at them (since 5.7, within one of its own mappings), else
// they are copied, but for those that hold nothing.
void MovePages(uintptr_t start, size_t bytes, uintptr_t target) {
  void* to = reinterpret_cast<void*>(target);
  if (mremap(reinterpret_cast<void*>(start), bytes, bytes,
             MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
             to) != MAP_FAILED) {
    return;
  }
  Protect(target, bytes);
  static constexpr char kZeros[4096] = {};
  for (size_t i = 0; i < bytes; i += sizeof(kZeros)) {
    const void* from = reinterpret_cast<const void*>(start + i);
    if (memcmp(from, kZeros, sizeof(kZeros)) == 0) continue;
    memcpy(reinterpret_cast<void*>(target + i), from, sizeof(kZeros));
  }
}

// What becomes of a reservation that the kernel refused to make usable.
void Refuse(State& state, uintptr_t start, size_t bytes) {
  if (state.refusals_leave_holes) {
    state.mappings.Set(start, bytes, PageState::kLost);
  }
}

bool SetAccess(const State& state, uintptr_t start, size_t bytes, int access) {
  CheckPages(state, "odd change of access", start, bytes);
  return mprotect(reinterpret_cast<void*>(start), bytes, access) == 0;
}

// Room for a new mapping; the caller holds the lock.
uintptr_t FindPlace(const State& state, size_t bytes, uintptr_t hint) {
  if (hint != 0 && hint % state.page_size == 0 &&
      state.mappings.Is(hint, bytes, PageState::kFree)) {
    return hint;
  }
  return state.mappings.FindRoom(bytes);
}

}  // namespace
}  // namespace fake_os

void Die(const LineBuffer& line) {
  os::WriteToStderr(line.data(), line.size());
  abort();
}

namespace os {

using fake_os::Call;
using fake_os::Entry;
using fake_os::LockedState;
using fake_os::PageState;
using fake_os::SetAccess;
using fake_os::State;
using fake_os::StateMutex;
using fake_os::TheState;

size_t PageSize() { return LockedState()->page_size; }

uint64_t RandomWord() { return 0x0123456789abcdef; }

bool SecureExecution() { return TheState().secure_execution; }

const char* EnvironmentEntry(size_t index) {
  const auto& environment = TheState().environment;
  return index < environment.size() ? environment[index].c_str() : nullptr;
}

uintptr_t CurrentBreak() {
  Entry entry(Call::kCurrentBreak);
  return entry.refused() ? 0 : entry.state().break_now;
}

uintptr_t GrowBreak(size_t bytes) {
  Entry entry(Call::kGrowBreak);
  if (bytes > PTRDIFF_MAX) fake_os::Complain("would shrink", 0, bytes);
  if (entry.refused() || !entry.MayHave(bytes)) return 0;
  const uintptr_t start = RaiseBreak(entry.state(), bytes);
  if (start == 0) entry.state().has_failed = true;
  return start;
}

bool LowerBreak(uintptr_t top, size_t bytes) {
  Entry entry(Call::kLowerBreak);
  State& state = entry.state();
  if (bytes > top - state.break_start) {
    fake_os::Complain("lowers the break below its start", top, bytes);
  }
  for (const State::Foreign& f : state.foreign) {
    if (top == state.break_now && f.start + f.bytes > top - bytes) {
      fake_os::Complain("lowers the break over others' memory", top, bytes);
    }
  }
  if (entry.refused() || top != state.break_now) return false;
  state.break_now -= bytes;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = RoundUp(state.break_now, page);
  const uintptr_t end = RoundUp(top, page);
  if (end > first) fake_os::Forget(first, end - first);
  return true;
}

uintptr_t Reserve(size_t bytes, uintptr_t hint) {
  Entry entry(Call::kReserve);
  State& state = entry.state();
  // What the real kernel finds too large it refuses without a look at it.
  if (bytes == 0 || bytes >> kAddressBits != 0) return 0;
  fake_os::CheckPages(state, "odd reservation", 0, bytes);
  if (entry.refused()) return 0;
  const uintptr_t start = fake_os::FindPlace(state, bytes, hint);
  if (start == 0) {
    state.has_failed = true;
  } else {
    state.mappings.Set(start, bytes, PageState::kReserved);
  }
  return start;
}

bool Commit(uintptr_t start, size_t bytes) {
  Entry entry(Call::kCommit);
  State& state = entry.state();
  fake_os::CheckPages(state, "odd commitment", start, bytes);
  if (!state.mappings.Is(start, bytes, PageState::kReserved)) {
    fake_os::Complain("commits what is not reserved", start, bytes);
  }
  if (entry.refused() || !entry.MayHave(bytes)) {
    fake_os::Refuse(state, start, bytes);
    return false;
  }
  fake_os::Protect(start, bytes);
  state.mappings.Set(start, bytes, PageState::kCommitted);
  return true;
}

bool IsWhole(uintptr_t start, size_t bytes) {
  const LockedState state;
  fake_os::CheckPages(*state, "odd question", start, bytes);
  return !state->mappings.Has(start, bytes, PageState::kOutside) &&
         !state->mappings.Has(start, bytes, PageState::kFree) &&
         !state->mappings.Has(start, bytes, PageState::kLost);
}

void AdviseHugePages(uintptr_t /*start*/, size_t bytes) {
  LockedState()->advised_huge += bytes;
}

void AdviseSmallPages(uintptr_t /*start*/, size_t bytes) {
  LockedState()->advised_small += bytes;
}

bool Purge(uintptr_t start, size_t bytes) {
  Entry entry(Call::kPurge);
  State& state = entry.state();
  fake_os::CheckPages(state, "odd purge", start, bytes);
  const bool is_of_break =
      start >= state.break_start && start + bytes <= state.break_now;
  if (!is_of_break && !state.mappings.Is(start, bytes, PageState::kCommitted)) {
    fake_os::Complain("purges what is not its own", start, bytes);
  }
  for (const State::Foreign& f : state.foreign) {
    if (f.start < start + bytes && start < f.start + f.bytes) {
      fake_os::Complain("purges others' memory", start, bytes);
    }
  }
  if (entry.refused()) return false;
  if (madvise(reinterpret_cast<void*>(start), bytes, MADV_DONTNEED) != 0) {
    fake_os::Complain("the real madvise failed", start, bytes);
  }
  state.purged_bytes += bytes;
  return true;
}

bool Protect(uintptr_t start, size_t bytes) {
  Entry entry(Call::kProtect);
  return !entry.refused() && SetAccess(entry.state(), start, bytes, PROT_NONE);
}

bool Unprotect(uintptr_t start, size_t bytes) {
  Entry entry(Call::kUnprotect);
  return !entry.refused() &&
         SetAccess(entry.state(), start, bytes, PROT_READ | PROT_WRITE);
}

void Unmap(uintptr_t start, size_t bytes) {
  const LockedState state;
  fake_os::CheckPages(*state, "odd unmapping", start, bytes);
  for (const PageState state_of_others :
       {PageState::kOutside, PageState::kFree, PageState::kLost,
        PageState::kForeign}) {
    if (state->mappings.Has(start, bytes, state_of_others)) {
      fake_os::Complain("unmaps what is not its own", start, bytes);
    }
  }
  fake_os::Forget(start, bytes);
  state->mappings.Set(start, bytes, PageState::kFree);
}

bool RemapInPlace(uintptr_t start, size_t old_bytes, size_t new_bytes) {
  Entry entry(Call::kRemapInPlace);
  State& state = entry.state();
  fake_os::CheckPages(state, "odd old size", start, old_bytes);
  fake_os::CheckPages(state, "odd new size", start, new_bytes);
  if (!state.mappings.Is(start, old_bytes, PageState::kCommitted)) {
    fake_os::Complain("resizes what is not committed", start, old_bytes);
  }
  if (entry.refused()) return false;
  const uintptr_t old_end = start + old_bytes;
  if (new_bytes < old_bytes) {
    fake_os::Forget(start + new_bytes, old_bytes - new_bytes);
    state.mappings.Set(start + new_bytes, old_bytes - new_bytes,
                       PageState::kFree);
  } else if (new_bytes > old_bytes) {
    const size_t more = new_bytes - old_bytes;
    if (!state.mappings.Is(old_end, more, PageState::kFree)) return false;
    if (!entry.MayHave(more)) return false;
    fake_os::Protect(old_end, more);
    state.mappings.Set(old_end, more, PageState::kCommitted);
  }
  return true;
}

bool RemapTo(uintptr_t start, size_t old_bytes, size_t new_bytes,
             uintptr_t target) {
  Entry entry(Call::kRemapTo);
  State& state = entry.state();
  fake_os::CheckPages(state, "odd old size", start, old_bytes);
  fake_os::CheckPages(state, "odd new size", target, new_bytes);
  if (!state.mappings.Is(start, old_bytes, PageState::kCommitted)) {
    fake_os::Complain("moves what is not committed", start, old_bytes);
  }
  if (!state.mappings.Is(target, new_bytes, PageState::kReserved)) {
    fake_os::Complain("moves to what is not reserved", target, new_bytes);
  }
  const size_t more = new_bytes - Min(old_bytes, new_bytes);
  if (entry.refused() || !entry.MayHave(more)) {
    fake_os::Refuse(state, target, new_bytes);
    return false;
  }
  fake_os::MovePages(start, Min(old_bytes, new_bytes), target);
  fake_os::Protect(target, new_bytes);
  state.mappings.Set(target, new_bytes, PageState::kCommitted);
  fake_os::Forget(start, old_bytes);
  state.mappings.Set(start, old_bytes, PageState::kFree);
  return true;
}

bool FindResident(uintptr_t start, size_t bytes, unsigned char* pages) {
  const size_t page = PageSize();
  if (page == static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    return mincore(reinterpret_cast<void*>(start), bytes, pages) == 0;
  }
  for (size_t i = 0; i * page < bytes; ++i) {
    unsigned char real[16] = {};  // 64 KiB of pages of 4 KiB
    void* at = reinterpret_cast<void*>(start + i * page);
    if (mincore(at, page, real) != 0) return false;
    pages[i] = 0;
    for (const unsigned char one : real) pages[i] |= one & 1;
  }
  return true;
}

uint64_t CountOf(SystemCall) { return 0; }

ResidentSize GetResidentSize() { return {1000, 2000}; }

uint64_t NowMilliseconds() { return LockedState()->now; }

uint64_t NowOnTheCalendar() { return NowMilliseconds() * 1000000; }

uint64_t NanosecondsToTouch(uintptr_t address) {
  *reinterpret_cast<char*>(address) = 0;
  return LockedState()->time_to_touch;
}

void WaitWhile(const std::atomic<uint32_t>& word, uint32_t value,
               uint64_t milliseconds) {
  State& state = TheState();
  std::unique_lock<StateMutex> lock(state.mutex);
  const uint64_t until = state.now + milliseconds;
  state.waiters.wait(lock, [&] {
    return word.load(std::memory_order_relaxed) != value || state.now >= until;
  });
}

void WakeAll(const std::atomic<uint32_t>&) {
  LockedState()->waiters.notify_all();
}

int ProcessId() { return 4711; }

int ThreadId() {
  ++LockedState()->thread_ids;
  return 4712;
}

bool WatchFaults(void (*look)(const Fault&)) {
  TheState().look_at_fault = look;
  return true;
}

const char* ProgramName() { return "unit test"; }

void ExitOtherwise(int status) { exit(status); }

namespace {

sighandler_t before_ours = SIG_DFL;

}  // namespace

bool HandleSignal(int signal, void (*handler)(int)) {
  const sighandler_t before = ::signal(signal, handler);
  if (before == SIG_ERR) return false;
  if (before != handler) before_ours = before;
  return true;
}

void ReturnSignal(int signal, void (*handler)(int)) {
  const sighandler_t now = ::signal(signal, before_ours);
  if (now != handler) ::signal(signal, now);
}

}  // namespace os
}  // namespace memalloc
