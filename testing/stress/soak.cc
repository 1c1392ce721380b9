// The stress workloads for as long as one likes, with a new seed each round:
//   bazel run //testing/stress:soak -- --minutes=60 --threads=16
// Every round prints its seed first, so that a failure names the round to
// repeat (--seed). The heap is walked after each round, and resident memory is
// printed: it must not creep. Ends with status 0, or as the failure ends it.

#include <chrono>
#include <cstdint>
#include <cstdio>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "testing/contract/allocator_in_charge.h"
#include "testing/contract/process_memory.h"
#include "testing/stress/workloads.h"

ABSL_FLAG(double, minutes, 10, "how long to go on");
ABSL_FLAG(int, threads, 16, "threads of each workload");
ABSL_FLAG(uint64_t, seed, 1, "the seed of the first round");

namespace {

void RunRound(uint64_t seed, int threads) {
  stress::MailboxOptions mailboxes;
  mailboxes.threads = threads;
  mailboxes.seed = seed;
  for (stress::Sizes sizes :
       {stress::Sizes::kSmall, stress::Sizes::kMixed, stress::Sizes::kLarge}) {
    mailboxes.sizes = sizes;
    mailboxes.operations = sizes == stress::Sizes::kLarge ? 30000 : 500000;
    mailboxes.lifetime = 100 + stress::Random(seed).Below(10000);
    stress::RunMailboxes(mailboxes);
    contract::CheckHeap();
  }
  stress::PipelineOptions pipeline;
  pipeline.seed = seed;
  pipeline.producers = 1 + static_cast<int>(seed % 4);
  pipeline.consumers = threads;
  stress::RunPipeline(pipeline);
  contract::CheckHeap();
  stress::RunInterleavedFrees(threads, seed, 100, 512);
  contract::CheckHeap();
  stress::RunForkStorm(threads, seed, 40);
  contract::CheckHeap();
  stress::RunSleepingProducer(16 * stress::kMiB, 100 + seed % 5000, 2);
  contract::CheckHeap();
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Runs the stress workloads round by round.");
  absl::ParseCommandLine(argc, argv);
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::duration<double, std::ratio<60>>(
                       absl::GetFlag(FLAGS_minutes));
  uint64_t seed = absl::GetFlag(FLAGS_seed);
  std::printf("allocator: %s\n",
              contract::MemallocInCharge() ? "memalloc" : "not memalloc");
  do {
    std::printf("seed %llu", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    RunRound(seed++, absl::GetFlag(FLAGS_threads));
    std::printf(": passed, %zu MiB resident\n",
                contract::ResidentBytes() / stress::kMiB);
  } while (std::chrono::steady_clock::now() < end);
  return 0;
}
