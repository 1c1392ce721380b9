// Threads in numbers.
//
// `thread-churn`: 10,000 threads that live for a few hundred calls each, as
// where a thread is started per request; each frees some objects of its
// predecessor and leaves some. Making and dropping the thread's heap is what
// costs. `threads-many`: 64 threads at once on whatever cores there are, so
// that a thread loses its core anywhere, also while it holds a lock.
#include <thread>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

constexpr uint64_t kObjects = 100;
constexpr uint64_t kLeft = 10;

// Frees what the predecessor left, works, leaves some to the successor.
void ShortLife(std::vector<void*>* left, uint64_t seed) {
  Random random(seed);
  void* objects[kObjects];
  for (void*& object : objects) object = Obtain(SmallSize(&random));
  for (void* object : *left) Release(object);
  left->clear();
  for (uint64_t i = 0; i < kLeft; ++i) left->push_back(objects[i]);
  for (uint64_t i = kLeft; i < kObjects; ++i) Release(objects[i]);
}

Outcome ThreadChurn(const Params& params) {
  const int lines = params.DefaultThreads();
  const uint64_t count = params.Scaled(10'000) / lines + 1;
  RunThreads(lines, [&](int line) {
    std::vector<void*> left;
    left.reserve(kLeft);
    for (uint64_t i = 0; i < count; ++i) {
      std::thread(ShortLife, &left, params.seed + line * count + i).join();
    }
    for (void* object : left) Release(object);
  });
  return {2 * lines * count * kObjects, {}};
}

Outcome ManyThreads(const Params& params) {
  const int threads = params.ThreadsOr(64);
  const uint64_t rounds = params.Scaled(10'000'000) / threads + 1;
  const uint64_t live = params.LiveOr(64'000) / threads + 1;
  RunThreads(threads, [&](int index) {
    Random random(params.seed + index);
    std::vector<void*> objects(live);
    for (void*& object : objects) object = Obtain(SmallSize(&random));
    for (uint64_t i = 0; i < rounds; ++i) {
      void*& object = objects[random.Below(live)];
      Release(object);
      object = Obtain(SmallSize(&random));
    }
    for (void* object : objects) Release(object);
  });
  return {2 * threads * (live + rounds), {}};
}

}  // namespace

void AddThreads(Workloads* all) {
  all->push_back({"thread-churn",
                  "10,000 short-lived threads that inherit a few objects",
                  ThreadChurn});
  all->push_back({"threads-many", "64 threads at once, each with its own churn",
                  ManyThreads});
}

}  // namespace memalloc_bench
