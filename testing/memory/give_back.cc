// Allocates 1 GiB in blocks of 100 bytes to 64 KiB, frees all of it, and shows
// how much memory the process keeps.
//
//   give_back trim WHO MIB SECONDS      then asks for it by malloc_trim
//   give_back activity WHO MIB SECONDS  then goes on with small objects, until
//                                       RSS is at most MIB above the start, or
//                                       SECONDS are over
//
// WHO allocates and frees: "main"; "idle", a thread that sleeps from then on;
// "ended", a thread that is gone.

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "testing/memory/measure.h"

namespace memory {
namespace {

constexpr size_t kBytes = 1024 * kMiB;
constexpr size_t kSmallest = 100;
constexpr size_t kLargest = 64 * kKiB;
constexpr size_t kMaxBlocks = 400'000;

void** g_blocks;
sem_t g_freed;

void AllocateAndFree() {
  Random random(1);
  size_t count = 0;
  for (size_t total = 0; total < kBytes; ++count) {
    if (count == kMaxBlocks) Die("too many blocks");
    const size_t size = random.AcrossScales(kSmallest, kLargest);
    g_blocks[count] = Allocate(size);
    total += size;
  }
  Report("full_rss", ResidentBytes());
  Shuffle(g_blocks, count, &random);
  for (size_t i = 0; i < count; ++i) free(g_blocks[i]);
}

void* Thread(void* sleeps) {
  AllocateAndFree();
  sem_post(&g_freed);
  while (sleeps != nullptr) pause();
  return nullptr;
}

void RunThread(bool sleeps) {
  pthread_t thread;
  sem_init(&g_freed, 0, 0);
  if (pthread_create(&thread, nullptr, Thread, sleeps ? &g_freed : nullptr)) {
    Die("pthread_create");
  }
  sem_wait(&g_freed);
  if (!sleeps) pthread_join(thread, nullptr);
}

// Works until RSS is at most `goal`, or the time is over.
void BeActive(size_t goal, double seconds) {
  const double begin = Now();
  while (ResidentBytes() > goal && Now() - begin < seconds) Work(0.02);
  Report("milliseconds", static_cast<uint64_t>((Now() - begin) * 1000));
}

int Main(int argc, char** argv) {
  if (argc < 5) {
    Die("usage: give_back trim|activity main|idle|ended MIB SECONDS");
  }
  ReportAllocator();
  g_blocks = MapArray<void*>(kMaxBlocks);
  const size_t start = ResidentBytes();
  Report("start_rss", start);
  if (std::strcmp(argv[2], "main") == 0) {
    AllocateAndFree();
  } else {
    RunThread(std::strcmp(argv[2], "idle") == 0);
  }
  Report("freed_rss", ResidentBytes());
  if (std::strcmp(argv[1], "trim") == 0) {
    Report("trimmed", static_cast<uint64_t>(GiveBack()));
  } else {
    BeActive(start + std::strtoul(argv[3], nullptr, 10) * kMiB,
             std::strtod(argv[4], nullptr));
  }
  Report("end_rss", ResidentBytes());
  return 0;
}

}  // namespace
}  // namespace memory

int main(int argc, char** argv) { return memory::Main(argc, argv); }
