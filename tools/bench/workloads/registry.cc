// The table of all workloads, and the few rules about parameters that they
// share. Used by main.cc and by the tests.
#include <algorithm>
#include <thread>

#include "tools/bench/workloads/workload.h"

namespace memalloc_bench {

uint64_t Params::Scaled(uint64_t n) const {
  return std::max<uint64_t>(1, static_cast<uint64_t>(n * scale));
}

int Params::DefaultThreads() const {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  // Above sixteen the fixed work becomes too little for each.
  return ThreadsOr(std::clamp(cores, 2, 16));
}

int Params::ThreadsOr(int own) const { return threads > 0 ? threads : own; }

Workloads AllWorkloads() {
  Workloads all;
  AddChurn(&all);
  AddBatches(&all);
  AddTrees(&all);
  AddLarson(&all);
  AddXmalloc(&all);
  AddMigration(&all);
  AddCacheSharing(&all);
  AddGlibc(&all);
  AddThreads(&all);
  AddRealloc(&all);
  AddLarge(&all);
  AddCalls(&all);
  AddStl(&all);
  AddLatency(&all);
  return all;
}

}  // namespace memalloc_bench
