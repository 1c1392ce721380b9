// Latency: every single malloc and free is timed, and percentiles are told.
//
// A median hides the calls that refill, purge or take a lock; those are what
// an audio thread or a trading system meets. `latency` is one thread with a
// long tail of sizes; `latency-threads` adds threads that swap objects, so
// that frees come from elsewhere. The clock is the processor's counter, read
// without a system call; what one reading costs is subtracted. The maximum
// holds whatever else the machine did in that moment: only its order of
// magnitude means something. Time and ops of the run itself are those of the
// measuring, so the driver leaves these rows out of its means.
#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "tools/bench/workloads/histogram.h"
#include "tools/bench/workloads/measure.h"
#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

// Fenced on both sides: the processor would start the call before the first
// reading otherwise, and a fast path would seem to take no time at all.
inline uint64_t Ticks() {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
  const uint64_t ticks = __builtin_ia32_rdtsc();
  __builtin_ia32_lfence();
  return ticks;
#elif defined(__aarch64__)
  uint64_t ticks;
  asm volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(ticks));
  return ticks;
#else
  return static_cast<uint64_t>(WallSeconds() * 1e9);
#endif
}

// What two readings in a row differ by when nothing is between them.
uint64_t TicksOfReading() {
  uint64_t least = ~uint64_t{0};
  for (int i = 0; i < 1000; ++i) {
    const uint64_t start = Ticks();
    least = std::min(least, Ticks() - start);
  }
  return least;
}

struct Latencies {
  Histogram malloc;
  Histogram free;
};

class Stopwatch {
 public:
  explicit Stopwatch(Latencies* latencies)
      : latencies_(latencies), reading_(TicksOfReading()) {}

  void* Malloc(size_t size) {
    const uint64_t start = Ticks();
    void* object = std::malloc(size);
    Keep(object);
    Record(&latencies_->malloc, Ticks() - start);
    Mark(object, size);
    return object;
  }

  void Free(void* object) {
    Unmark(object);
    const uint64_t start = Ticks();
    std::free(object);
    Record(&latencies_->free, Ticks() - start);
  }

 private:
  void Record(Histogram* histogram, uint64_t ticks) {
    histogram->Add(ticks > reading_ ? ticks - reading_ : 0);
  }

  Latencies* latencies_;
  uint64_t reading_;
};

// Half of the objects live within small sizes, the others have a long tail.
size_t LatencySize(Random* random) {
  return random->Below(2) == 0 ? SmallSize(random) : TailSize(random);
}

using Places = std::vector<std::atomic<void*>>;

// One replacement in eight is swapped with another thread's object first.
void Replace(uint64_t live, uint64_t rounds, uint64_t seed, Places* places,
             Latencies* latencies) {
  Random random(seed);
  Stopwatch watch(latencies);
  std::vector<void*> objects(live);
  for (void*& object : objects) object = watch.Malloc(LatencySize(&random));
  for (uint64_t i = 0; i < rounds; ++i) {
    void*& object = objects[random.Below(live)];
    if (i % 8 == 0) {
      std::atomic<void*>& place = (*places)[random.Below(places->size())];
      void* other = place.exchange(object, std::memory_order_acq_rel);
      if (other != nullptr) watch.Free(other);
    } else {
      watch.Free(object);
    }
    object = watch.Malloc(LatencySize(&random));
  }
  for (void* object : objects) watch.Free(object);
}

void AddPercentiles(const char* call, const Histogram& histogram,
                    double ns_per_tick, Outcome* outcome) {
  const auto add = [&](const char* name, uint64_t ticks) {
    outcome->extra.emplace_back(std::string(call) + name,
                                static_cast<double>(ticks) * ns_per_tick);
  };
  add("_p50_ns", histogram.Percentile(0.5));
  add("_p99_ns", histogram.Percentile(0.99));
  add("_p999_ns", histogram.Percentile(0.999));
  add("_max_ns", histogram.max());
}

Outcome Measure(const Params& params, int threads) {
  const uint64_t live = params.LiveOr(20'000) / threads + 1;
  const uint64_t rounds = params.Scaled(3'000'000) / threads + 1;
  std::vector<std::unique_ptr<Latencies>> latencies(threads);
  for (auto& each : latencies) each = std::make_unique<Latencies>();
  Places places(256);
  const double wall = WallSeconds();
  const uint64_t start = Ticks();
  RunThreads(threads, [&](int index) {
    Replace(live, rounds, params.seed + index, &places, latencies[index].get());
  });
  const uint64_t ticks = Ticks() - start;
  const double ns_per_tick =
      (WallSeconds() - wall) * 1e9 / static_cast<double>(ticks);
  for (std::atomic<void*>& place : places) std::free(place.exchange(nullptr));

  for (int i = 1; i < threads; ++i) {
    latencies[0]->malloc.Merge(latencies[i]->malloc);
    latencies[0]->free.Merge(latencies[i]->free);
  }
  Outcome outcome{2 * threads * (live + rounds), {}};
  AddPercentiles("malloc", latencies[0]->malloc, ns_per_tick, &outcome);
  AddPercentiles("free", latencies[0]->free, ns_per_tick, &outcome);
  return outcome;
}

Outcome Latency(const Params& params) { return Measure(params, 1); }

Outcome LatencyThreads(const Params& params) {
  return Measure(params, params.DefaultThreads());
}

}  // namespace

void AddLatency(Workloads* all) {
  all->push_back(
      {"latency", "every call timed: one thread, a long tail", Latency});
  all->push_back({"latency-threads",
                  "every call timed: threads that free each other's objects",
                  LatencyThreads});
}

}  // namespace memalloc_bench
