// `workloads --workload NAME`: runs one workload on whatever allocator the
// process has (its own, or a preloaded one) and prints one line of JSON.
//
// Time is taken around the work itself: starting the process and loading the
// allocator are not in it. The final RSS is what is left once the workload has
// freed everything. `malloc_from` is the file that malloc was found in, so that
// the driver can tell whether a preload took effect. Exit status: 0 done, 2
// wrong usage, 3 a check failed.
#include <dlfcn.h>

#include <cinttypes>
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tools/bench/workloads/measure.h"
#include "tools/bench/workloads/workload.h"

ABSL_FLAG(std::string, workload, "", "which workload to run; see --list");
ABSL_FLAG(double, scale, 1.0, "multiplies the amount of work");
ABSL_FLAG(int, threads, 0, "number of threads; 0: the workload's own");
ABSL_FLAG(uint64_t, live, 0, "objects alive at once; 0: the workload's own");
ABSL_FLAG(uint64_t, seed, 1, "of the random numbers");
ABSL_FLAG(bool, list, false, "list the workloads, name and meaning, and stop");

namespace memalloc_bench {
namespace {

void List(const Workloads& all) {
  for (const Workload& workload : all) {
    std::printf("%s\t%s\n", workload.name.c_str(), workload.about.c_str());
  }
}

const Workload* Find(const Workloads& all, const std::string& name) {
  for (const Workload& workload : all) {
    if (workload.name == name) return &workload;
  }
  return nullptr;
}

// Asks the dynamic linker: the address of malloc as the compiler sees it may
// be a stub in this binary.
std::string MallocFrom() {
  Dl_info info;
  void* address = dlsym(RTLD_DEFAULT, "malloc");
  if (address == nullptr || dladdr(address, &info) == 0) return "";
  return info.dli_fname;
}

void Run(const Workload& workload, const Params& params) {
  const std::string malloc_from = MallocFrom();
  const Resident before = ReadResident();
  const Faults faults = ReadFaults();
  const double cpu = CpuSeconds();
  const double wall = WallSeconds();
  const Outcome outcome = workload.run(params);
  const double seconds = WallSeconds() - wall;
  const double cpu_seconds = CpuSeconds() - cpu;
  const Faults faults_after = ReadFaults();
  const Resident after = ReadResident();
  std::printf(
      "{\"workload\": \"%s\", \"malloc_from\": \"%s\", \"ops\": %" PRIu64
      ", \"seconds\": %.6f, \"cpu_seconds\": %.6f"
      ", \"peak_rss_kib\": %" PRId64 ", \"final_rss_kib\": %" PRId64
      ", \"start_rss_kib\": %" PRId64 ", \"faults\": %" PRId64
      ", \"switches\": %" PRId64,
      workload.name.c_str(), malloc_from.c_str(), outcome.ops, seconds,
      cpu_seconds, after.peak_kib, after.now_kib, before.now_kib,
      faults_after.minor - faults.minor,
      faults_after.switches - faults.switches);
  for (const auto& [name, value] : outcome.extra) {
    std::printf(", \"%s\": %.3f", name.c_str(), value);
  }
  std::printf("}\n");
}

int Main() {
  const Workloads all = AllWorkloads();
  if (absl::GetFlag(FLAGS_list)) {
    List(all);
    return 0;
  }
  const std::string name = absl::GetFlag(FLAGS_workload);
  const Workload* workload = Find(all, name);
  if (workload == nullptr) {
    std::fprintf(stderr, "workloads: no workload '%s'; see --list\n",
                 name.c_str());
    return 2;
  }
  Params params;
  params.scale = absl::GetFlag(FLAGS_scale);
  params.threads = absl::GetFlag(FLAGS_threads);
  params.live = absl::GetFlag(FLAGS_live);
  params.seed = absl::GetFlag(FLAGS_seed);
  if (!(params.scale > 0) || params.threads < 0 || params.threads > 4096) {
    std::fprintf(stderr,
                 "workloads: --scale must be above 0, --threads 0 to 4096\n");
    return 2;
  }
  Run(*workload, params);
  return 0;
}

}  // namespace
}  // namespace memalloc_bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "runs one allocation pattern and prints one line of JSON");
  absl::ParseCommandLine(argc, argv);
  return memalloc_bench::Main();
}
