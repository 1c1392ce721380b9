// Churn: a set of live objects of which random ones are replaced for ever.
// The steady state of servers, interpreters and compilers; what differs is
// how many objects live at once (in cache, or far beyond it) and how their
// sizes are spread. `leak` is the opposite end: nothing is ever freed, which
// shows the price of fresh memory alone, and `leak-bump` is its physical
// limit: the same objects cut from a mapping by moving a pointer.
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

using SizeFunction = size_t (*)(Random*);

// What one churn did: its calls, and the bytes alive at its end, the table of
// pointers included (it comes from the same allocator).
struct Churned {
  uint64_t ops = 0;
  uint64_t live_bytes = 0;
};

Churned Churn(uint64_t live, uint64_t rounds, uint64_t seed,
              SizeFunction size) {
  Random random(seed);
  std::vector<void*> objects(live);
  for (void*& object : objects) object = Obtain(size(&random));
  for (uint64_t i = 0; i < rounds; ++i) {
    void*& object = objects[random.Below(live)];
    Release(object);
    object = Obtain(size(&random));
  }
  // In random order, which is what a heap at its end of life looks like.
  uint64_t live_bytes = live * sizeof(void*);
  for (uint64_t left = live; left > 0; --left) {
    void*& victim = objects[random.Below(left)];
    live_bytes += MarkedSize(victim);
    std::free(victim);
    victim = objects[left - 1];
  }
  return {2 * (live + rounds), live_bytes};
}

Outcome Report(const Churned& churned) {
  return {churned.ops,
          {{"live_bytes", static_cast<double>(churned.live_bytes)}}};
}

Outcome ChurnSmall(const Params& params) {
  return Report(Churn(params.LiveOr(1000), params.Scaled(16'000'000),
                      params.seed, SmallSize));
}

Outcome ChurnMiddle(const Params& params) {
  return Report(Churn(params.LiveOr(30'000), params.Scaled(3'500'000),
                      params.seed, SmallSize));
}

// 10 to 263 bytes: so that ten million fit into a few gigabytes.
size_t TinySize(Random* random) { return SmallSize(random) / 4 + 8; }

Outcome ChurnMillion(const Params& params) {
  return Report(Churn(params.LiveOr(params.Scaled(1'000'000)),
                      params.Scaled(1'000'000), params.seed, TinySize));
}

Outcome ChurnTail(const Params& params) {
  return Report(Churn(params.LiveOr(20'000), params.Scaled(4'000'000),
                      params.seed, TailSize));
}

// One churn a thread, nothing shared: what must scale with the cores.
Outcome ChurnThreads(const Params& params) {
  const int threads = params.DefaultThreads();
  const uint64_t rounds = params.Scaled(10'000'000) / threads + 1;
  const uint64_t live = params.LiveOr(20'000) / threads + 1;
  std::vector<Churned> churned(threads);
  RunThreads(threads, [&](int index) {
    churned[index] = Churn(live, rounds, params.seed + index, SmallSize);
  });
  Churned all;
  for (const Churned& each : churned) {
    all.ops += each.ops;
    all.live_bytes += each.live_bytes;
  }
  return Report(all);
}

constexpr size_t kLeakBytes = 48;

uint64_t LeakCount(const Params& params) {
  return params.LiveOr(params.Scaled(6'000'000));
}

Outcome Leak(const Params& params) {
  const uint64_t count = LeakCount(params);
  for (uint64_t i = 0; i < count; ++i) Keep(Obtain(kLeakBytes));
  return {count, {}};
}

Outcome LeakBump(const Params& params) {
  const uint64_t count = LeakCount(params);
  void* memory = mmap(nullptr, count * kLeakBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Require(memory != MAP_FAILED, "out of memory");
  char* next = static_cast<char*>(memory);
  for (uint64_t i = 0; i < count; ++i, next += kLeakBytes) {
    Mark(next, kLeakBytes);
    Keep(next);
  }
  return {count, {}};
}

}  // namespace

void AddChurn(Workloads* all) {
  all->push_back({"churn-small",
                  "replaces random ones of 1,000 small objects (in cache)",
                  ChurnSmall});
  all->push_back({"churn-middle",
                  "replaces random ones of 30,000 small objects", ChurnMiddle});
  all->push_back({"churn-million",
                  "a million small objects, replaced and freed at random",
                  ChurnMillion});
  all->push_back({"churn-tail",
                  "20,000 objects of 16 B to 1 MiB with a long tail",
                  ChurnTail});
  all->push_back({"churn-threads",
                  "one churn of small objects a thread, nothing shared",
                  ChurnThreads});
  all->push_back({"leak", "allocates and frees nothing", Leak});
  all->push_back({"leak-bump",
                  "the limit of `leak`: a pointer moved through a mapping, no "
                  "allocator",
                  LeakBump});
}

}  // namespace memalloc_bench
