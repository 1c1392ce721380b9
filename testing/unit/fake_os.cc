// The test's side of the fake kernel; see fake_os.h.

#include "testing/unit/fake_os.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <new>
#include <utility>

#include "memalloc/base/math.h"
#include "memalloc/layout/constants.h"
#include "testing/contract/pattern.h"
#include "testing/unit/fake_os_state.h"

namespace memalloc::fake_os {
namespace {

constexpr size_t kBreakRoom = size_t{8} << 30;
constexpr size_t kMappingRoom = size_t{16} << 30;
// The top of the mappings is not aligned to an arena; the kernel's is not
// either.
constexpr size_t kUnalignedTop = 0x30000;
constexpr size_t kUnalignedBreak = 0x1234;

void* ToPointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

// FAKE_OS_PAGE_SIZE is for whole programs on pages of another size.
size_t InitialPageSize() {
  const char* given = getenv("FAKE_OS_PAGE_SIZE");
  return given == nullptr ? 4096 : strtoul(given, nullptr, 10);
}

uintptr_t ReserveAll() {
  void* start = mmap(nullptr, kBreakRoom + kMappingRoom + kArenaSize, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) Complain("no address space", 0, kMappingRoom);
  return RoundUp(reinterpret_cast<uintptr_t>(start), kArenaSize);
}

// Forks under way, one inside the other.
thread_local int t_forks = 0;

}  // namespace

State::State(uintptr_t start)
    : reservation(start),
      page_size(InitialPageSize()),
      break_start(reservation + kUnalignedBreak),
      break_now(break_start),
      break_limit(BreakCeiling()),
      mappings(BreakCeiling(), BreakCeiling() + kMappingRoom - kUnalignedTop) {}

uintptr_t State::BreakCeiling() const { return reservation + kBreakRoom; }

size_t State::UsedMemory() const {
  return break_now - break_start + mappings.Total(PageState::kCommitted);
}

void StateMutex::lock() {
  if (t_forks == 0) mutex_.lock();
}
void StateMutex::unlock() {
  if (t_forks == 0) mutex_.unlock();
}
void StateMutex::BeginFork() {
  lock();
  ++t_forks;
}
void StateMutex::EndFork() {
  --t_forks;
  unlock();
}

State& TheState() {
  static State& state = []() -> State& {
    pthread_atfork([] { TheState().mutex.BeginFork(); },
                   [] { TheState().mutex.EndFork(); },
                   [] {
                     // Those who waited are not here.
                     new (&TheState().waiters) std::condition_variable_any;
                     TheState().mutex.EndFork();
                   });
    return *new State(ReserveAll());
  }();
  return state;
}

void Complain(const char* what, uintptr_t start, size_t bytes) {
  fprintf(stderr, "fake_os: %s: 0x%" PRIxPTR " + 0x%zx\n", what, start, bytes);
  abort();
}

void Protect(uintptr_t start, size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = RoundDown(start, page);
  const size_t length = RoundUp(start + bytes, page) - first;
  if (mprotect(ToPointer(first), length, PROT_READ | PROT_WRITE) != 0) {
    Complain("the real mprotect failed", start, bytes);
  }
}

void Forget(uintptr_t start, size_t bytes) {
  if (mmap(ToPointer(start), bytes, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
           0) == MAP_FAILED) {
    Complain("the real mmap failed", start, bytes);
  }
}

uintptr_t RaiseBreak(State& state, size_t bytes) {
  if (bytes > state.break_limit - state.break_now) return 0;
  const uintptr_t start = state.break_now;
  if (bytes > 0) Protect(start, bytes);
  state.break_now += bytes;
  return start;
}

const char* Name(Call call) {
  static constexpr const char* kNames[kNumCalls] = {
      "CurrentBreak", "GrowBreak", "LowerBreak", "Reserve", "Commit",
      "RemapInPlace", "RemapTo",   "Purge",      "Protect", "Unprotect"};
  return kNames[static_cast<size_t>(call)];
}

void SetPageSize(size_t bytes) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.page_size = bytes;
}

void PlaceBreak(size_t offset) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.break_start = state.break_now = state.reservation + offset;
}

void RefusalsLeaveHoles() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.refusals_leave_holes = true;
}

void BeginAnew() {
  State& state = TheState();
  const AddressRange all = Reservation();
  Forget(all.start, all.bytes);
  state.~State();
  new (&state) State(all.start);
}

AddressRange Reservation() {
  return {TheState().reservation, kBreakRoom + kMappingRoom};
}

void Fail(Call call, size_t nth, size_t times) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  const auto i = static_cast<size_t>(call);
  state.failures[i] = {state.counts[i] + nth, times};
}

void FailAny(size_t nth, size_t times) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.any_failure = {state.count_all + nth, times};
}

size_t CountRefused() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.refused;
}

bool HasFailed() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.has_failed;
}

void LimitBreak(size_t bytes) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.break_limit = state.break_now + bytes;
}

void LimitMemory(size_t bytes) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.memory_limit = bytes;
}

void EndShortage() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.failures = {};
  state.any_failure = {};
  state.has_failed = false;
  state.break_limit = state.BreakCeiling();
  state.memory_limit = SIZE_MAX;
}

void PassTime(uint64_t milliseconds) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.now += milliseconds;
  state.waiters.notify_all();
}

void SetTimeToTouch(uint64_t nanoseconds) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.time_to_touch = nanoseconds;
}

uintptr_t ForeignSbrk(size_t bytes) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  const uintptr_t start = RaiseBreak(state, bytes);
  if (start == 0) Complain("no room for the foreign sbrk", 0, bytes);
  contract::FillPattern(ToPointer(start), bytes, start);
  state.foreign.push_back({start, bytes});
  return start;
}

bool ForeignMemoryIsIntact() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  for (const State::Foreign& f : state.foreign) {
    if (contract::FindDamage(ToPointer(f.start), f.bytes, f.bytes, f.start) !=
        f.bytes) {
      return false;
    }
  }
  return true;
}

size_t TakeLostPages() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  const size_t bytes = state.mappings.Total(PageState::kLost);
  state.mappings.Replace(PageState::kLost, PageState::kForeign);
  return bytes;
}

void Before(Call call, std::function<void()> action) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.before[static_cast<size_t>(call)] = std::move(action);
}

void After(Call call, std::function<void()> action) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.after[static_cast<size_t>(call)] = std::move(action);
}

size_t Count(Call call) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.counts[static_cast<size_t>(call)];
}

size_t CountAll() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.count_all;
}

size_t BytesAdvisedHuge() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.advised_huge;
}

size_t BytesAdvisedSmall() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.advised_small;
}

size_t PurgedBytes() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.purged_bytes;
}

uintptr_t BreakNow() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.break_now;
}

size_t MappedBytes() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.mappings.Total(PageState::kReserved) +
         state.mappings.Total(PageState::kCommitted);
}

size_t UsableBytes() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  size_t usable = state.UsedMemory();
  for (const State::Foreign& f : state.foreign) usable -= f.bytes;
  return usable;
}

size_t CountThreadIds() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.thread_ids;
}

bool FaultsAreWatched() { return TheState().look_at_fault != nullptr; }

void ShowFault(const os::Fault& fault) { TheState().look_at_fault(fault); }

void SetEnvironment(const std::string& name, const std::string& value) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  for (std::string& entry : state.environment) {
    if (entry.compare(0, name.size() + 1, name + "=") == 0) {
      entry.replace(name.size() + 1, std::string::npos, value);
      return;
    }
  }
  state.environment.push_back(name + "=" + value);
}

void SetFile(const std::string& path, const std::string& text) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.files[path] = text;
}

void SetSecureExecution(bool secure) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.secure_execution = secure;
}

std::string Appended() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.appended;
}

std::string Written(const std::string& path) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.files[path];
}

bool HasFile(const std::string& path) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.files.count(path) != 0;
}

size_t Files() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  return state.files.size();
}

size_t OpenFiles() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  size_t open = 0;
  for (const std::string& path : state.open_files) open += path.empty() ? 0 : 1;
  return open;
}

void RefuseFiles() {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.refuses_files = true;
}

void BeforeEachWrite(std::function<void()> action) {
  State& state = TheState();
  const StateLock lock(state.mutex);
  state.before_each_write = std::move(action);
}

}  // namespace memalloc::fake_os
