// Random migration: objects wander between threads without any pattern.
//
// `mstress` follows mimalloc's stress test: rounds of fresh threads that grow
// and shrink sets of objects, swap some through shared places, and leave
// others to the next round. `rptest` follows rpmalloc's benchmark: long-lived
// threads with a wide spread of sizes, where each loop frees scattered objects
// and a part of them is taken over from and given to other threads.
#include <atomic>
#include <utility>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

// Places where any thread may swap its object for what is there.
class Places {
 public:
  explicit Places(size_t count) : places_(count) {}

  void* Swap(Random* random, void* object) {
    return places_[random->Below(places_.size())].exchange(
        object, std::memory_order_acq_rel);
  }

  void FreeAll() {
    for (std::atomic<void*>& place : places_) {
      if (void* object = place.exchange(nullptr)) Release(object);
    }
  }

 private:
  std::vector<std::atomic<void*>> places_;
};

// Mostly small, one in a thousand up to 64 KiB, one in fifty up to 4 KiB.
size_t StressSize(Random* random) {
  const uint64_t dice = random->Below(1000);
  if (dice == 0) return random->Between(4096, 65536);
  if (dice < 20) return random->Between(1024, 4096);
  return 16 * random->Between(1, 32);
}

void StressThread(Places* places, uint64_t objects, uint64_t seed) {
  Random random(seed);
  std::vector<void*> data;      // Freed and swapped at random.
  std::vector<void*> retained;  // Kept until the thread ends.
  for (uint64_t made = 0; made < objects;) {
    const uint64_t dice = random.Below(100);
    if (dice < 50 || data.empty()) {
      for (int i = 0; i < 16; ++i, ++made) {
        data.push_back(Obtain(StressSize(&random)));
      }
      if (dice < 5) retained.push_back(Obtain(StressSize(&random)));
    } else {
      for (int i = 0; i < 16 && !data.empty(); ++i) {
        void*& object = data[random.Below(data.size())];
        if (dice < 75) {
          Release(object);
          object = data.back();
          data.pop_back();
        } else {
          void* other = places->Swap(&random, object);
          object = other != nullptr ? other : Obtain(StressSize(&random));
        }
      }
    }
  }
  for (void* object : data) Release(object);
  for (void* object : retained) Release(object);
}

Outcome Mstress(const Params& params) {
  constexpr int kRounds = 25;
  const int threads = params.ThreadsOr(2 * params.DefaultThreads());
  const uint64_t objects = params.Scaled(2'500'000) / (kRounds * threads) + 1;
  Places places(1000);
  for (int round = 0; round < kRounds; ++round) {
    RunThreads(threads, [&](int index) {
      StressThread(&places, objects, params.seed + round * threads + index);
    });
  }
  places.FreeAll();
  return {2 * kRounds * threads * objects, {}};
}

// 16 B to 16,000 B, all sizes alike on a scale between linear and logarithmic.
size_t WideSize(Random* random) {
  const uint64_t size = random->Below(8000) * random->Below(8000) / 4000;
  return size + 16;
}

void RandomThread(Places* places, uint64_t loops, uint64_t live,
                  uint64_t seed) {
  constexpr uint64_t kFreed = 500;  // A loop.
  Random random(seed);
  std::vector<void*> objects(live);
  for (void*& object : objects) object = Obtain(WideSize(&random));
  uint64_t at = 0;
  for (uint64_t i = 0; i < loops; ++i) {
    for (uint64_t j = 0; j < kFreed; ++j) {
      at = (at + 7) % live;  // Scattered: neighbours are not freed together.
      Release(objects[at]);
      objects[at] = Obtain(WideSize(&random));
    }
    for (uint64_t j = 0; j < kFreed / 4; ++j) {
      void*& object = objects[random.Below(live)];
      void* other = places->Swap(&random, object);
      object = other != nullptr ? other : Obtain(WideSize(&random));
    }
  }
  for (void* object : objects) Release(object);
}

Outcome Rptest(const Params& params) {
  const int threads = params.DefaultThreads();
  const uint64_t live = params.LiveOr(20'000) / threads + 1;
  const uint64_t loops = params.Scaled(2000) / threads + 1;
  Places places(1000);
  RunThreads(threads, [&](int index) {
    RandomThread(&places, loops, live, params.seed + index);
  });
  places.FreeAll();
  return {2 * threads * (live + loops * 500), {}};
}

}  // namespace

void AddMigration(Workloads* all) {
  all->push_back(
      {"mstress", "rounds of threads that swap objects at random", Mstress});
  all->push_back({"rptest",
                  "threads with a wide spread of sizes, a quarter "
                  "freed by others",
                  Rptest});
}

}  // namespace memalloc_bench
