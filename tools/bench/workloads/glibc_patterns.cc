// The patterns of glibc's own benchtests, bench-malloc-simple and
// bench-malloc-thread, written anew.
//
// `glibc-simple`: rows of blocks of one size, 25 to 1600 of them, allocated
// and freed in the same order; the smaller rows fit a thread cache. It is near
// the pure cost of the two fast paths. `glibc-thread`: each thread replaces
// random ones of 1024 blocks, sizes 4 B to 32 KiB, small ones far more often
// (inverse square), random numbers taken beforehand.
#include <cmath>
#include <vector>

#include "tools/bench/workloads/support.h"
#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {
namespace {

Outcome Simple(const Params& params) {
  constexpr size_t kSizes[] = {16, 32, 64, 128, 256, 512, 1024};
  constexpr uint64_t kRows[] = {25, 100, 400, 1600};
  const uint64_t pairs = params.Scaled(400'000);
  uint64_t ops = 0;
  std::vector<void*> blocks(1600);
  for (size_t size : kSizes) {
    for (uint64_t row : kRows) {
      const uint64_t rounds = pairs / row + 1;
      for (uint64_t i = 0; i < rounds; ++i) {
        for (uint64_t j = 0; j < row; ++j) blocks[j] = Obtain(size);
        for (uint64_t j = 0; j < row; ++j) Release(blocks[j]);
      }
      ops += 2 * rounds * row;
    }
  }
  return {ops, {}};
}

constexpr uint64_t kWorkingSet = 1024;
constexpr uint64_t kRandoms = 8192;

// Inverse-square distribution over [4, 32768]: -1/x is uniform.
std::vector<uint32_t> BlockSizes(Random* random) {
  constexpr double kSmallest = 4;
  constexpr double kLargest = 32768;
  std::vector<uint32_t> sizes(kRandoms);
  for (uint32_t& size : sizes) {
    const double uniform = static_cast<double>(random->Next() >> 11) * 0x1p-53;
    const double inverse =
        1 / kSmallest - uniform * (1 / kSmallest - 1 / kLargest);
    size = static_cast<uint32_t>(std::lround(1 / inverse));
  }
  return sizes;
}

void ReplaceAtRandom(uint64_t rounds, uint64_t seed) {
  Random random(seed);
  const std::vector<uint32_t> sizes = BlockSizes(&random);
  std::vector<uint16_t> places(kRandoms);
  for (uint16_t& place : places) {
    place = static_cast<uint16_t>(random.Below(kWorkingSet));
  }
  std::vector<char*> blocks(kWorkingSet, nullptr);
  // Sizes and places must not repeat in step with each other.
  uint64_t next_size = 0;
  uint64_t next_place = 0;
  for (uint64_t i = 0; i < rounds; ++i) {
    char*& block = blocks[places[next_place]];
    std::free(block);
    block = static_cast<char*>(std::malloc(sizes[next_size]));
    Require(block != nullptr, "out of memory");
    Keep(block);
    next_size = (next_size + 1) % kRandoms;
    next_place = (next_place + 1) % (kRandoms - 1);
  }
  for (char* block : blocks) std::free(block);
}

Outcome Thread(const Params& params) {
  const int threads = params.DefaultThreads();
  const uint64_t rounds = params.Scaled(32'000'000) / threads + 1;
  RunThreads(threads,
             [&](int index) { ReplaceAtRandom(rounds, params.seed + index); });
  return {2 * threads * rounds, {}};
}

}  // namespace

void AddGlibc(Workloads* all) {
  all->push_back({"glibc-simple",
                  "rows of 25 to 1600 blocks of one size, freed in order",
                  Simple});
  all->push_back({"glibc-thread",
                  "a thread replaces random ones of 1024 blocks, 4 B to 32 KiB",
                  Thread});
}

}  // namespace memalloc_bench
