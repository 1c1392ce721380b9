// Replays a plan on the malloc that the process has, and prints a line of JSON:
//   player PLAN WINDOW
//
// Each thread of the trace is a thread here, which begins and ends where that
// did. A thread may run ahead of the slowest other by WINDOW calls of the trace
// (0: one call at a time, in the recorded order), but never frees or resizes
// what has not come to be. Allocations are written to: a byte of each page, and
// a mark that must still be there when they are freed.
//
// It allocates nothing itself between its start and its end, so that what the
// process has more is the allocator's.

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tools/replay/plan.h"

namespace memalloc::replay {
namespace {

constexpr size_t kPage = 4096;
constexpr uint64_t kDone = UINT64_MAX;
constexpr int kUnusable = 2;

struct alignas(16) PlaceState {
  void* block;
  std::atomic<uint32_t> turn;
  bool is_marked;
};

struct alignas(64) Position {
  std::atomic<uint64_t> number;  // of the thread's next step
};

// The process's one replay. Constant while threads run, but for what is atomic
// and what a place holds.
struct Replay {
  const Header* header;
  const Thread* threads;
  const Step* steps;
  PlaceState* places;
  Position* positions;
  pthread_t* handles;
  std::atomic<bool>* has_started;
  uint64_t* resident;  // KiB at each sample
  uint64_t window;
  int statm;
};
Replay g_replay;

[[noreturn]] void Fail(const char* what, const char* detail) {
  std::fprintf(stderr, "player: %s%s\n", what, detail);
  _exit(kUnusable);
}

// Pages of its own for the tables, touched at once.
template <typename T>
T* Table(uint64_t count) {
  void* pages = mmap(nullptr, std::max<uint64_t>(1, count) * sizeof(T),
                     PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (pages == MAP_FAILED) Fail("there is too little memory for the plan", "");
  return static_cast<T*>(pages);
}

// Private memory of the process in KiB: what is no file.
uint64_t ResidentKiB() {
  char text[128];
  const ssize_t n = pread(g_replay.statm, text, sizeof(text) - 1, 0);
  if (n <= 0) return 0;
  text[n] = '\0';
  char* rest = text;
  std::strtoull(rest, &rest, 10);
  const uint64_t resident = std::strtoull(rest, &rest, 10);
  const uint64_t of_files = std::strtoull(rest, &rest, 10);
  return (resident - of_files) * (static_cast<uint64_t>(getpagesize()) / 1024);
}

uint64_t PeakKiB() {
  char text[4096];
  const int fd = open("/proc/self/status", O_RDONLY);
  const ssize_t n = read(fd, text, sizeof(text) - 1);
  close(fd);
  text[std::max<ssize_t>(n, 0)] = '\0';
  const char* found = std::strstr(text, "VmHWM:");
  return found == nullptr ? 0 : std::strtoull(found + 6, nullptr, 10);
}

// ---- the order ----

uint64_t SlowestNumber() {
  uint64_t least = kDone;
  for (uint64_t i = 0; i < g_replay.header->threads; ++i) {
    least = std::min(
        least, g_replay.positions[i].number.load(std::memory_order_acquire));
  }
  return least;
}

// A processor may be short: others go first if it takes long.
class Waiting {
 public:
  void Once() {
    if (++rounds_ > 64) sched_yield();
  }

 private:
  int rounds_ = 0;
};

// Waits until the step may be done. `known` is how far all were at least.
void AwaitTurn(const Step& step, uint64_t* known) {
  Waiting waiting;
  while (step.number > *known + g_replay.window) {
    *known = SlowestNumber();
    if (step.number <= *known + g_replay.window) break;
    waiting.Once();
  }
}

void AwaitPlace(const Step& step) {
  const PlaceState& place = g_replay.places[step.place];
  Waiting waiting;
  while (place.turn.load(std::memory_order_acquire) != step.turn) {
    waiting.Once();
  }
}

// ---- the calls ----

// The number of its place at the beginning of an allocation, if that has room.
void Mark(PlaceState& place, const Step& step) {
  void* block = place.block;
  auto* bytes = static_cast<volatile char*>(block);
  for (size_t i = 0; i < step.size; i += kPage) bytes[i] = 1;
  if (step.size > 0) bytes[step.size - 1] = 1;
  place.is_marked = step.size >= sizeof(step.place);
  if (!place.is_marked) return;
  std::memcpy(block, &step.place, sizeof(step.place));
}

void CheckMark(const PlaceState& place, const void* block, const Step& step) {
  if (!place.is_marked) return;
  if (std::memcmp(block, &step.place, sizeof(step.place)) == 0) return;
  Fail("an allocation was overwritten", "");
}

void Allocated(void* block, const Step& step) {
  if (block == nullptr && step.size > 0) Fail("there is too little memory", "");
  PlaceState& place = g_replay.places[step.place];
  place.block = block;
  Mark(place, step);
}

void SizedFree(void* block, const Step& step) {
  if (step.alignment_shift > 4) {
    ::operator delete (block, step.size,
                       std::align_val_t{size_t{1} << step.alignment_shift});
  } else {
    ::operator delete(block, step.size);
  }
}

void Realloc(PlaceState& place, const Step& step) {
  // realloc to nothing would free.
  void* block = std::realloc(place.block, std::max<uint64_t>(step.size, 1));
  if (block != nullptr && step.size >= sizeof(step.place)) {
    CheckMark(place, block, step);
  }
  Allocated(block, step);
}

void* Aligned(const Step& step) {
  void* block = nullptr;
  const size_t alignment =
      std::max(sizeof(void*), size_t{1} << step.alignment_shift);
  return posix_memalign(&block, alignment, step.size) == 0 ? block : nullptr;
}

void Call(const Step& step) {
  PlaceState& place = g_replay.places[step.place];
  switch (step.action) {
    case Action::kMalloc:
      Allocated(std::malloc(step.size), step);
      break;
    case Action::kCalloc:
      Allocated(std::calloc(1, step.size), step);
      break;
    case Action::kAligned:
      Allocated(Aligned(step), step);
      break;
    case Action::kRealloc:
      Realloc(place, step);
      break;
    case Action::kFree:
      CheckMark(place, place.block, step);
      std::free(place.block);
      break;
    default:
      CheckMark(place, place.block, step);
      SizedFree(place.block, step);
  }
  place.turn.store(step.turn + 1, std::memory_order_release);
}

// ---- threads ----

void* RunThread(void* argument);

void StartThread(uint32_t thread) {
  if (pthread_create(&g_replay.handles[thread], nullptr, &RunThread,
                     reinterpret_cast<void*>(uintptr_t{thread})) != 0) {
    Fail("a thread cannot be made", "");
  }
  g_replay.has_started[thread].store(true, std::memory_order_release);
}

void Do(const Step& step) {
  switch (step.action) {
    case Action::kStartThread:
      StartThread(step.place);
      break;
    case Action::kSample:
      g_replay.resident[step.place] = ResidentKiB();
      break;
    default:
      if (step.must_wait != 0) AwaitPlace(step);
      Call(step);
  }
}

void* RunThread(void* argument) {
  const uint64_t index = reinterpret_cast<uintptr_t>(argument);
  const Thread& thread = g_replay.threads[index];
  const Step* steps = g_replay.steps + thread.first_step;
  std::atomic<uint64_t>& position = g_replay.positions[index].number;
  const bool is_alone = g_replay.header->threads == 1;
  uint64_t known = 0;
  for (uint64_t i = 0; i < thread.steps; ++i) {
    if (!is_alone) {
      position.store(steps[i].number, std::memory_order_release);
      AwaitTurn(steps[i], &known);
    }
    Do(steps[i]);
  }
  position.store(kDone, std::memory_order_release);
  return nullptr;
}

void RunAll() {
  RunThread(nullptr);
  Waiting waiting;
  for (uint64_t i = 1; i < g_replay.header->threads; ++i) {
    while (!g_replay.has_started[i].load(std::memory_order_acquire)) {
      waiting.Once();
    }
    pthread_join(g_replay.handles[i], nullptr);
  }
}

// ---- the process ----

double Seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

void Load(const char* path) {
  const int fd = open(path, O_RDONLY);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) Fail("cannot read ", path);
  void* plan = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ,
                    MAP_PRIVATE | MAP_POPULATE, fd, 0);
  close(fd);
  if (plan == MAP_FAILED) Fail("cannot read ", path);
  g_replay.header = static_cast<const Header*>(plan);
  const Header& header = *g_replay.header;
  g_replay.threads = reinterpret_cast<const Thread*>(g_replay.header + 1);
  g_replay.steps =
      reinterpret_cast<const Step*>(g_replay.threads + header.threads);
  g_replay.places = Table<PlaceState>(header.places);
  g_replay.positions = Table<Position>(header.threads);
  g_replay.handles = Table<pthread_t>(header.threads);
  g_replay.has_started = Table<std::atomic<bool>>(header.threads);
  g_replay.resident = Table<uint64_t>(header.samples);
  g_replay.statm = open("/proc/self/statm", O_RDONLY);
  for (uint64_t i = 0; i < header.threads; ++i) {
    const Thread& thread = g_replay.threads[i];
    g_replay.positions[i].number.store(
        thread.steps == 0 ? kDone : g_replay.steps[thread.first_step].number);
  }
}

// The peak is counted anew from here on, where the kernel allows that.
void ForgetPeak() {
  const int fd = open("/proc/self/clear_refs", O_WRONLY);
  if (fd < 0) return;
  const ssize_t ignored = write(fd, "5", 1);
  static_cast<void>(ignored);
  close(fd);
}

// As the dynamic linker found it.
const char* MallocFrom() {
  static Dl_info info;
  void* address = dlsym(RTLD_DEFAULT, "malloc");
  if (address == nullptr || dladdr(address, &info) == 0) return "";
  return info.dli_fname;
}

int Main(const char* path, const char* window) {
  Load(path);
  g_replay.window = std::strtoull(window, nullptr, 10);
  uint64_t calls[kNumCalls] = {};
  uint64_t all_calls = 0;
  for (uint64_t i = 0; i < g_replay.header->steps; ++i) {
    const auto action = static_cast<int>(g_replay.steps[i].action);
    if (action >= kNumCalls) continue;
    ++calls[action];
    ++all_calls;
  }
  const char* malloc_from = MallocFrom();
  ForgetPeak();
  const uint64_t peak_before = PeakKiB();
  const uint64_t resident_before = ResidentKiB();
  const double cpu_before = Seconds(CLOCK_PROCESS_CPUTIME_ID);
  const double before = Seconds(CLOCK_MONOTONIC);
  RunAll();
  const double seconds = Seconds(CLOCK_MONOTONIC) - before;
  const double cpu_seconds = Seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
  const uint64_t final_kib = ResidentKiB() - resident_before;
  const uint64_t peak_kib = PeakKiB() - peak_before;
  std::printf("{\"malloc_from\": \"%s\", \"ops\": %" PRIu64
              ", \"seconds\": %.6f, \"cpu_seconds\": %.6f"
              ", \"peak_rss_kib\": %" PRIu64 ", \"final_rss_kib\": %" PRIu64
              ", \"calls\": [",
              malloc_from, all_calls, seconds, cpu_seconds, peak_kib,
              final_kib);
  for (int i = 0; i < kNumCalls; ++i) {
    std::printf("%s%" PRIu64, i == 0 ? "" : ", ", calls[i]);
  }
  std::printf("], \"rss_kib\": [");
  for (uint64_t i = 0; i < g_replay.header->samples; ++i) {
    const uint64_t now = g_replay.resident[i];
    std::printf("%s%" PRIu64, i == 0 ? "" : ", ",
                now > resident_before ? now - resident_before : 0);
  }
  std::printf("]}\n");
  return 0;
}

}  // namespace
}  // namespace memalloc::replay

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: player PLAN WINDOW\n", stderr);
    return 2;
  }
  return memalloc::replay::Main(argv[1], argv[2]);
}
