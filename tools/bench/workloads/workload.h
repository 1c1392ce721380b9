// What a workload is to the program that runs it.
//
// A workload is a function that does a fixed amount of work with the allocator
// of the process and says how many calls it made. The amount depends on the
// parameters alone, never on the clock, so that two allocators are compared on
// the same work. Main times it from outside.
//
// Each family of workloads has a file of its own and hands over its entries
// through one function declared here. There is no registration by static
// constructors: the table is built in one visible place (registry.cc).
#ifndef TOOLS_BENCH_WORKLOADS_WORKLOAD_H_
#define TOOLS_BENCH_WORKLOADS_WORKLOAD_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace memalloc_bench {

struct Params {
  double scale = 1.0;  // Multiplies the amount of work.
  int threads = 0;     // 0: as many as the workload likes.
  uint64_t live = 0;   // Objects alive at once; 0: as the workload likes.
  uint64_t seed = 1;

  // `n` operations at scale 1, but at least one.
  uint64_t Scaled(uint64_t n) const;
  // The threads to use where the workload has no number of its own: one a
  // core, at least two, so that there is always someone to share with.
  int ThreadsOr(int own) const;
  int DefaultThreads() const;
  uint64_t LiveOr(uint64_t own) const { return live != 0 ? live : own; }
};

struct Outcome {
  uint64_t ops = 0;  // Calls of the allocator: malloc, free, realloc, ...
  // Further figures for the line of output, such as percentiles.
  std::vector<std::pair<std::string, double>> extra;
};

struct Workload {
  std::string name;
  std::string about;  // One line for people: what it stands for.
  Outcome (*run)(const Params& params);
};

using Workloads = std::vector<Workload>;

void AddChurn(Workloads* all);
void AddBatches(Workloads* all);
void AddTrees(Workloads* all);
void AddLarson(Workloads* all);
void AddXmalloc(Workloads* all);
void AddMigration(Workloads* all);
void AddCacheSharing(Workloads* all);
void AddGlibc(Workloads* all);
void AddThreads(Workloads* all);
void AddRealloc(Workloads* all);
void AddLarge(Workloads* all);
void AddCalls(Workloads* all);
void AddStl(Workloads* all);
void AddLatency(Workloads* all);

// All of them, in the order in which tables show them.
Workloads AllWorkloads();

}  // namespace memalloc_bench

#endif  // TOOLS_BENCH_WORKLOADS_WORKLOAD_H_
