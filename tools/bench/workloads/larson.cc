// Larson: a server whose worker threads come and go while their objects stay.
//
// After Larson and Krishnan's server simulation: each worker replaces random
// objects of an array, then ends and hands the array to a fresh thread, which
// frees what a dead one allocated. So each object's block belongs to a thread
// that is gone, and an allocator that strands or locks what the dead leave
// pays here. `larson-sized` frees through sized delete.
#include <new>
#include <thread>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

constexpr size_t kLowest = 10;
constexpr size_t kHighest = 500;

struct Malloc {
  static void* Get(size_t size) { return Obtain(size); }
  static void Put(void* object) { Release(object); }
};

struct SizedNew {
  static void* Get(size_t size) {
    void* object = ::operator new(size);
    Mark(object, size);
    return object;
  }
  static void Put(void* object) { ::operator delete(object, Unmark(object)); }
};

template <typename Calls>
void Generation(std::vector<void*>* objects, uint64_t rounds, uint64_t seed) {
  Random random(seed);
  const uint64_t live = objects->size();
  for (uint64_t i = 0; i < rounds; ++i) {
    void*& object = (*objects)[random.Below(live)];
    Calls::Put(object);
    object = Calls::Get(random.Between(kLowest, kHighest));
  }
}

template <typename Calls>
Outcome Larson(const Params& params) {
  constexpr uint64_t kGenerations = 50;
  const int threads = params.DefaultThreads();
  const uint64_t live = params.LiveOr(10'000) / threads + 1;
  const uint64_t rounds =
      params.Scaled(12'000'000) / (kGenerations * threads) + 1;
  RunThreads(threads, [&](int line) {
    Random random(params.seed * 1000 + line);
    std::vector<void*> objects(live);
    for (void*& object : objects) {
      object = Calls::Get(random.Between(kLowest, kHighest));
    }
    for (uint64_t i = 0; i < kGenerations; ++i) {
      std::thread worker(Generation<Calls>, &objects, rounds, random.Next());
      worker.join();
    }
    for (void* object : objects) Calls::Put(object);
  });
  return {2 * threads * (live + kGenerations * rounds), {}};
}

}  // namespace

void AddLarson(Workloads* all) {
  all->push_back({"larson", "worker threads end and hand their objects on",
                  Larson<Malloc>});
  all->push_back({"larson-sized", "larson with operator new and sized delete",
                  Larson<SizedNew>});
}

}  // namespace memalloc_bench
