// Batches: many objects are made, used, and dropped together. Requests of a
// server, frames of a game, passes of a compiler. The order in which a batch
// is freed decides how well a free list fits: last in first out gives the
// newest, still cached object back at once; first in first out walks through
// the whole batch. After SmartHeap's sh6bench (one thread, both orders mixed)
// and sh8bench (threads that free part of each other's objects).
#include <algorithm>
#include <mutex>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

using Batch = std::vector<void*>;

constexpr uint64_t kBatch = 2000;

void Fill(Batch* batch, Random* random) {
  batch->clear();
  for (uint64_t i = 0; i < kBatch; ++i) {
    batch->push_back(Obtain(SmallSize(random)));
  }
}

void FreeOldestFirst(const Batch& batch) {
  for (void* object : batch) Release(object);
}

void FreeNewestFirst(const Batch& batch) {
  for (auto it = batch.rbegin(); it != batch.rend(); ++it) Release(*it);
}

Outcome Ordered(const Params& params, void (*free_batch)(const Batch&)) {
  Random random(params.seed);
  Batch batch;
  batch.reserve(kBatch);
  const uint64_t rounds = params.Scaled(7'000);
  for (uint64_t i = 0; i < rounds; ++i) {
    Fill(&batch, &random);
    free_batch(batch);
  }
  return {2 * rounds * kBatch, {}};
}

Outcome Lifo(const Params& params) { return Ordered(params, FreeNewestFirst); }
Outcome Fifo(const Params& params) { return Ordered(params, FreeOldestFirst); }

// sh6bench: runs of objects of one size, small sizes more often; a run is
// freed at once or kept for some rounds, in one order or the other.
Outcome Sh6(const Params& params) {
  constexpr uint64_t kKept = 64;
  constexpr uint64_t kRun = 100;
  Random random(params.seed);
  std::vector<Batch> kept(kKept);
  for (Batch& batch : kept) batch.reserve(kRun);
  const uint64_t runs = params.Scaled(120'000);
  for (uint64_t i = 0; i < runs; ++i) {
    Batch& batch = kept[random.Below(kKept)];
    if (random.Below(2) == 0) {
      FreeNewestFirst(batch);
    } else {
      FreeOldestFirst(batch);
    }
    batch.clear();
    const size_t size = SmallSize(&random);
    for (uint64_t j = 0; j < kRun; ++j) batch.push_back(Obtain(size));
  }
  for (const Batch& batch : kept) FreeOldestFirst(batch);
  return {2 * runs * kRun, {}};
}

// Where the threads of sh8 leave batches for each other.
class Exchange {
 public:
  explicit Exchange(size_t places) : places_(places) {}

  // Puts `*batch` at a place and takes what was there.
  void Swap(uint64_t place, Batch* batch) {
    std::lock_guard<std::mutex> hold(mutex_);
    places_[place].swap(*batch);
  }

  void FreeAll() {
    for (Batch& batch : places_) FreeOldestFirst(batch);
  }

 private:
  std::mutex mutex_;
  std::vector<Batch> places_;
};

Outcome Sh8(const Params& params) {
  constexpr uint64_t kPlaces = 64;
  constexpr uint64_t kSize = 400;
  const int threads = params.DefaultThreads();
  const uint64_t rounds = params.Scaled(24'000) / threads + 1;
  Exchange exchange(kPlaces);
  RunThreads(threads, [&](int index) {
    Random random(params.seed + index);
    Batch batch;
    for (uint64_t i = 0; i < rounds; ++i) {
      batch.reserve(kSize);
      for (uint64_t j = 0; j < kSize; ++j) {
        batch.push_back(Obtain(SmallSize(&random)));
      }
      // One in four goes to whoever comes next to that place.
      if (i % 4 == 0) exchange.Swap(random.Below(kPlaces), &batch);
      if (i % 2 == 0) {
        FreeNewestFirst(batch);
      } else {
        FreeOldestFirst(batch);
      }
      batch.clear();
    }
  });
  exchange.FreeAll();
  return {2 * threads * rounds * kSize, {}};
}

}  // namespace

void AddBatches(Workloads* all) {
  all->push_back({"batch-lifo", "2,000 objects, freed newest first", Lifo});
  all->push_back({"batch-fifo", "2,000 objects, freed oldest first", Fifo});
  all->push_back(
      {"sh6", "runs of one size kept for a while, both orders", Sh6});
  all->push_back(
      {"sh8", "batches in threads, one in four freed by another", Sh8});
}

}  // namespace memalloc_bench
