// False sharing: does the allocator put objects of different threads into one
// cache line? After Hoard's cache-scratch and cache-thrash. Nearly all the
// time is spent in writes to the objects, so the figure is near that of one
// thread or many times it.
//
// `cache-thrash`, active: each thread allocates its own objects; they must not
// share lines. `cache-scratch`, passive: one thread allocates neighbours,
// hands them out, and the others free them: the allocator must not give a
// thread the line-mate of another's object from then on.
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

constexpr size_t kObject = 8;
constexpr uint64_t kWrites = 1000;

// Allocates, writes many times, frees; again and again.
void WriteMuch(uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; ++i) {
    void* object = Obtain(kObject);
    volatile char* bytes = static_cast<volatile char*>(object);
    for (uint64_t j = 0; j < kWrites; ++j) {
      bytes[j % 2] = static_cast<char>(bytes[j % 2] + 1);
    }
    std::free(object);
  }
}

Outcome Thrash(const Params& params) {
  const int threads = params.DefaultThreads();
  const uint64_t rounds = params.Scaled(500'000) / threads + 1;
  RunThreads(threads, [&](int) { WriteMuch(rounds); });
  return {2 * threads * rounds, {}};
}

Outcome Scratch(const Params& params) {
  const int threads = params.DefaultThreads();
  const uint64_t rounds = params.Scaled(500'000) / threads + 1;
  std::vector<void*> objects(threads);
  for (void*& object : objects) object = Obtain(kObject);
  RunThreads(threads, [&](int index) {
    Release(objects[index]);
    WriteMuch(rounds);
  });
  return {2 * threads * (rounds + 1), {}};
}

}  // namespace

void AddCacheSharing(Workloads* all) {
  all->push_back({"cache-thrash",
                  "threads write to objects of their own (active false "
                  "sharing)",
                  Thrash});
  all->push_back({"cache-scratch",
                  "threads free neighbours, then write (passive false sharing)",
                  Scratch});
}

}  // namespace memalloc_bench
