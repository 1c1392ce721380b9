// Churn: a set of live objects of which random ones are replaced for ever.
// The steady state of servers, interpreters and compilers; what differs is
// how many objects live at once (in cache, or far beyond it) and how their
// sizes are spread. `leak` is the opposite end: nothing is ever freed, which
// shows the price of fresh memory alone, and `leak-bump` is its physical
// limit: the same objects cut from a mapping by moving a pointer.
#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

using SizeFunction = size_t (*)(Random*);

// One thread's set of live objects. Whoever measures memory wants to know how
// many bytes lived: the table of pointers counts, it is from the same malloc.
class Churn {
 public:
  Churn(uint64_t live, uint64_t seed, SizeFunction size)
      : random_(seed), size_(size), objects_(live) {
    for (void*& object : objects_) object = Obtain(size_(&random_));
  }

  void Replace(uint64_t rounds) {
    const uint64_t live = objects_.size();
    for (uint64_t i = 0; i < rounds; ++i) {
      void*& object = objects_[random_.Below(live)];
      Release(object);
      object = Obtain(size_(&random_));
    }
    ops_ += 2 * (live + rounds);
  }

  // Frees in random order, as a heap at the end of its life.
  void Empty() {
    live_bytes_ = objects_.size() * sizeof(void*);
    for (uint64_t left = objects_.size(); left > 0; --left) {
      void*& victim = objects_[random_.Below(left)];
      live_bytes_ += Unmark(victim);
      std::free(victim);
      victim = objects_[left - 1];
    }
  }

  uint64_t ops() const { return ops_; }
  uint64_t live_bytes() const { return live_bytes_; }

 private:
  Random random_;
  SizeFunction size_;
  std::vector<void*> objects_;
  uint64_t ops_ = 0;
  uint64_t live_bytes_ = 0;
};

Outcome Report(uint64_t ops, uint64_t live_bytes) {
  return {ops, {{"live_bytes", static_cast<double>(live_bytes)}}};
}

Outcome OneThread(uint64_t live, uint64_t rounds, uint64_t seed,
                  SizeFunction size) {
  Churn churn(live, seed, size);
  churn.Replace(rounds);
  churn.Empty();
  return Report(churn.ops(), churn.live_bytes());
}

Outcome ChurnSmall(const Params& params) {
  return OneThread(params.LiveOr(1000), params.Scaled(16'000'000), params.seed,
                   SmallSize);
}

Outcome ChurnMiddle(const Params& params) {
  return OneThread(params.LiveOr(30'000), params.Scaled(3'500'000), params.seed,
                   SmallSize);
}

// 10 to 263 bytes: so that ten million fit into a few gigabytes.
size_t TinySize(Random* random) { return SmallSize(random) / 4 + 8; }

Outcome ChurnMillion(const Params& params) {
  return OneThread(params.LiveOr(params.Scaled(1'000'000)),
                   params.Scaled(1'000'000), params.seed, TinySize);
}

Outcome ChurnTail(const Params& params) {
  return OneThread(params.LiveOr(20'000), params.Scaled(4'000'000), params.seed,
                   TailSize);
}

// One churn a thread, nothing shared: what must scale with the cores. They
// wait for each other, so that all objects live at the same time.
Outcome ChurnThreads(const Params& params) {
  const int threads = params.DefaultThreads();
  const uint64_t rounds = params.Scaled(10'000'000) / threads + 1;
  const uint64_t live = params.LiveOr(20'000) / threads + 1;
  std::atomic<uint64_t> ops{0};
  std::atomic<uint64_t> live_bytes{0};
  Barrier barrier(threads);
  RunThreads(threads, [&](int index) {
    Churn churn(live, params.seed + index, SmallSize);
    barrier.Wait();
    churn.Replace(rounds);
    barrier.Wait();
    churn.Empty();
    ops += churn.ops();
    live_bytes += churn.live_bytes();
  });
  return Report(ops, live_bytes);
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
