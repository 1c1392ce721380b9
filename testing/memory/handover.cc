// A producer allocates 512 MiB and hands them to a consumer, which frees them
// and allocates as much again: memory that one thread leaves behind must serve
// the next one.
//
//   handover MIN MAX asleep|ended
//
// Sizes are multiples of 8 from MIN to MAX, as those of structures are. The
// producer sleeps while the consumer works, or has ended before it begins.

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "testing/memory/measure.h"

namespace memory {
namespace {

constexpr size_t kBytes = 512 * kMiB;

struct Work {
  size_t min;
  size_t max;
  bool sleeps;
  void** objects;
  size_t capacity;
  size_t count;
  sem_t done;
};

void Fill(Work* work, uint64_t seed) {
  Random random(seed);
  work->count = 0;
  for (size_t total = 0; total < kBytes; ++work->count) {
    if (work->count == work->capacity) Die("too many objects");
    const size_t size = random.Between(work->min / 8, work->max / 8) * 8;
    work->objects[work->count] = Allocate(size);
    total += size;
  }
}

void* Produce(void* argument) {
  auto* work = static_cast<Work*>(argument);
  Fill(work, 1);
  sem_post(&work->done);
  while (work->sleeps) pause();
  return nullptr;
}

void* Consume(void* argument) {
  auto* work = static_cast<Work*>(argument);
  for (size_t i = 0; i < work->count; ++i) free(work->objects[i]);
  Fill(work, 2);
  return nullptr;
}

int Main(int argc, char** argv) {
  if (argc < 4) Die("usage: handover MIN MAX asleep|ended");
  Work work = {};
  work.min = std::strtoul(argv[1], nullptr, 10);
  work.max = std::strtoul(argv[2], nullptr, 10);
  work.sleeps = std::strcmp(argv[3], "asleep") == 0;
  ReportAllocator();
  // A quarter more than the mean size makes necessary.
  work.capacity = kBytes / ((work.min + work.max) / 2) * 5 / 4;
  work.objects = MapArray<void*>(work.capacity);
  sem_init(&work.done, 0, 0);
  const size_t start = ResidentBytes();

  pthread_t producer;
  pthread_t consumer;
  if (pthread_create(&producer, nullptr, Produce, &work)) Die("pthread_create");
  sem_wait(&work.done);
  if (!work.sleeps) pthread_join(producer, nullptr);
  Report("produced_rss", ResidentBytes() - start);
  if (pthread_create(&consumer, nullptr, Consume, &work)) Die("pthread_create");
  pthread_join(consumer, nullptr);

  Report("live", kBytes);
  Report("end_rss", ResidentBytes() - start);
  Report("peak", StatusBytes("VmHWM") - start);
  return 0;
}

}  // namespace
}  // namespace memory

int main(int argc, char** argv) { return memory::Main(argc, argv); }
