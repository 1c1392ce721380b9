// Memory that threads cost.
//
//   threads short COUNT   threads of which each allocates 300 KiB and leaves a
//                         hundredth of it behind; eight at a time
//   threads live COUNT    threads that each hold 2 KiB and are blocked
//   threads none COUNT    threads that are blocked and never call malloc: what
//                         the threads themselves cost

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "testing/memory/measure.h"

namespace memory {
namespace {

constexpr size_t kStackBytes = 64 * kKiB;
constexpr size_t kShortBytes = 300 * kKiB;
constexpr size_t kMaxObjects = 2000;
constexpr size_t kKeepOneOf = 100;
constexpr size_t kAtATime = 8;
constexpr size_t kLiveBytes = 2 * kKiB;

std::atomic<uint64_t> g_live_bytes;
std::atomic<uint64_t> g_next_seed;
sem_t g_ready;

void* Short(void*) {
  void* objects[kMaxObjects];
  Random random(g_next_seed.fetch_add(1));
  size_t count = 0;
  for (size_t total = 0; total < kShortBytes && count < kMaxObjects; ++count) {
    const size_t size = random.AcrossScales(16, 8192);
    objects[count] = Allocate(size);
    if (count % kKeepOneOf == 0) g_live_bytes += size;
    total += size;
  }
  for (size_t i = 0; i < count; ++i) {
    if (i % kKeepOneOf != 0) free(objects[i]);
  }
  return nullptr;
}

void* Live(void* allocates) {
  Random random(g_next_seed.fetch_add(1));
  for (size_t total = 0; allocates != nullptr && total < kLiveBytes;) {
    const size_t size = random.Between(16, 128);
    Allocate(size);
    total += size;
    g_live_bytes += size;
  }
  sem_post(&g_ready);
  while (true) pause();
}

pthread_t Start(void* (*run)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, run, argument)) {
    Die("pthread_create");
  }
  return thread;
}

int Main(int argc, char** argv) {
  if (argc < 3) Die("usage: threads short|live|none COUNT");
  const size_t count = std::strtoul(argv[2], nullptr, 10);
  ReportAllocator();
  sem_init(&g_ready, 0, 0);
  const size_t start = ResidentBytes();
  if (std::strcmp(argv[1], "short") == 0) {
    for (size_t i = 0; i < count; i += kAtATime) {
      pthread_t threads[kAtATime];
      for (pthread_t& thread : threads) thread = Start(Short, nullptr);
      for (pthread_t thread : threads) pthread_join(thread, nullptr);
    }
  } else {
    void* allocates = std::strcmp(argv[1], "live") == 0 ? &g_ready : nullptr;
    for (size_t i = 0; i < count; ++i) Start(Live, allocates);
    for (size_t i = 0; i < count; ++i) sem_wait(&g_ready);
  }
  Report("live", g_live_bytes);
  Report("rss", ResidentBytes() - start);
  Report("peak", StatusBytes("VmHWM") - start);
  // Blocked threads are left as they are.
  _exit(0);
}

}  // namespace
}  // namespace memory

int main(int argc, char** argv) { return memory::Main(argc, argv); }
