// Memory that travels one way must not pile up: pipelines whose producers never
// free and whose consumers only free, and a producer that sleeps while its
// memory is freed elsewhere.
//
// Each case is a process of its own, so that none profits from the memory of
// another. The bounds on the peak are generous and the figures are printed: an
// allocator that keeps what it freed with the wrong thread needs many times as
// much, since every pipeline passes some GiB or hundreds of MiB through.

#include "testing/contract/process_memory.h"
#include "testing/process/harness.h"
#include "testing/stress/workloads.h"

namespace process {
namespace {

using stress::kKiB;
using stress::kMiB;

void CheckPeak(size_t before, size_t live, size_t bound) {
  const size_t peak = contract::PeakResidentBytes() - before;
  Note("%zu KiB live at most, %zu KiB resident at most, bound %zu KiB",
       live / kKiB, peak / kKiB, bound / kKiB);
  REQUIRE(peak < bound);
}

template <int kProducers, int kConsumers>
void SmallPipeline() {
  stress::PipelineOptions options;
  options.producers = kProducers;
  options.consumers = kConsumers;
  options.blocks = 800000;
  const size_t before = contract::ResidentBytes();
  const size_t live = stress::RunPipeline(options);
  CheckPeak(before, live,
            4 * live + (32 + 4 * (kProducers + kConsumers)) * kMiB);
}

template <int kProducers, int kConsumers>
void MixedPipeline() {
  stress::PipelineOptions options;
  options.producers = kProducers;
  options.consumers = kConsumers;
  options.sizes = stress::Sizes::kMixed;
  options.blocks = 150000;
  options.capacity = 1000;
  const size_t before = contract::ResidentBytes();
  const size_t live = stress::RunPipeline(options);
  CheckPeak(before, live,
            4 * live + (64 + 4 * (kProducers + kConsumers)) * kMiB);
}

template <size_t kSize>
void SleepingProducer() {
  constexpr size_t kBytes = 64 * kMiB;
  constexpr size_t kLive = kBytes + kBytes / kSize * sizeof(stress::Item);
  const size_t before = contract::ResidentBytes();
  stress::RunSleepingProducer(kBytes, kSize, 3);
  // Not twice the live data.
  CheckPeak(before, kLive, kLive + kBytes / 2 + 8 * kMiB);
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> scenarios = {
      {"SmallPipeline1To1", SmallPipeline<1, 1>},
      {"SmallPipeline6To1", SmallPipeline<6, 1>},
      {"SmallPipeline1To6", SmallPipeline<1, 6>},
      {"MixedPipeline1To1", MixedPipeline<1, 1>},
      {"MixedPipeline6To1", MixedPipeline<6, 1>},
      {"MixedPipeline1To6", MixedPipeline<1, 6>},
  };
  for (Scenario scenario : {
           Scenario{"SmallPipeline16To16", SmallPipeline<16, 16>},
           Scenario{"MixedPipeline16To16", MixedPipeline<16, 16>},
           Scenario{"SleepingProducerOf64", SleepingProducer<64>},
           Scenario{"SleepingProducerOf1000", SleepingProducer<1000>},
           Scenario{"SleepingProducerOf10K", SleepingProducer<10 * kKiB>},
           Scenario{"SleepingProducerOf200K", SleepingProducer<200 * kKiB>},
       }) {
    scenario.not_on_libc =
        "what is freed into one thread's arena does not serve another thread";
    scenarios.push_back(scenario);
  }
  return scenarios;
}

}  // namespace process
