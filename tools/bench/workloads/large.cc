// Large objects: images, matrices, I/O buffers.
//
// `large`: a few objects of 1 to 25 MiB, random ones replaced, every page
// touched: page faults dominate, so it rewards reusing pages that are mapped.
// `large-sparse`: the same, but only the first page is touched: bookkeeping
// and system calls alone. `large-pairs`: malloc(800 KB), free, in a loop, a
// cliff of several allocators. `middle`: 4 KiB to 256 KiB, between the small
// classes and the large, where many allocators change method.
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

void* ObtainSparse(size_t size) {
  void* object = std::malloc(size);
  Mark(object, kSmallestObject);
  return object;
}

uint64_t Replace(uint64_t live, uint64_t rounds, uint64_t low, uint64_t high,
                 uint64_t seed, void* (*obtain)(size_t)) {
  Random random(seed);
  std::vector<void*> objects(live);
  for (void*& object : objects) object = obtain(random.Between(low, high));
  for (uint64_t i = 0; i < rounds; ++i) {
    void*& object = objects[random.Below(live)];
    Release(object);
    object = obtain(random.Between(low, high));
  }
  for (void* object : objects) Release(object);
  return 2 * (live + rounds);
}

Outcome Large(const Params& params) {
  return {Replace(params.LiveOr(16), params.Scaled(300), kMiB, 25 * kMiB,
                  params.seed, Obtain),
          {}};
}

Outcome LargeSparse(const Params& params) {
  return {Replace(params.LiveOr(16), params.Scaled(100'000), kMiB, 25 * kMiB,
                  params.seed, ObtainSparse),
          {}};
}

Outcome LargePairs(const Params& params) {
  constexpr size_t kBytes = 800'000;
  const uint64_t rounds = params.Scaled(400'000);
  for (uint64_t i = 0; i < rounds; ++i) Release(Obtain(kBytes));
  return {2 * rounds, {}};
}

Outcome Middle(const Params& params) {
  return {Replace(params.LiveOr(500), params.Scaled(400'000), 4 << 10,
                  256 << 10, params.seed, Obtain),
          {}};
}

}  // namespace

void AddLarge(Workloads* all) {
  all->push_back(
      {"large", "16 objects of 1 to 25 MiB, every page touched", Large});
  all->push_back({"large-sparse", "16 objects of 1 to 25 MiB, one page touched",
                  LargeSparse});
  all->push_back(
      {"large-pairs", "malloc(800000) and free in a loop", LargePairs});
  all->push_back({"middle", "500 objects of 4 KiB to 256 KiB", Middle});
}

}  // namespace memalloc_bench
