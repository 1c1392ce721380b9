// libFuzzer's target: threads that take turns as the input says, so that what
// fails once fails each time. The heap is walked after every step.

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstdio>
#include <memory>

#include "memalloc/base/options.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/fuzz/fresh_heap.h"
#include "testing/fuzz/player.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/worker.h"

namespace memalloc::fuzz {
namespace {

constexpr size_t kMaxSteps = 300;
constexpr uint64_t kSampleInterval = 16 << 10;
constexpr size_t kWorkers = 12;  // more than there are parked heaps

// What was done in all inputs, told at the end.
struct Totals {
  size_t steps = 0;
  size_t refused = 0;

  ~Totals() {
    fprintf(stderr, "%zu steps, %zu calls refused\n", steps, refused);
  }
};
Totals g_totals;

// What the kernel is like, which the core may learn at its first use. Every
// fourth place of the break has samples taken, which costs no byte of the
// input.
void SetUp(FuzzedDataProvider* input) {
  fake_os::SetPageSize(
      input->PickValueInArray<size_t>({4096, 4096, 4096, 16384, 65536}));
  const auto offset = input->ConsumeIntegralInRange<size_t>(1, 1 << 24);
  fake_os::PlaceBreak(offset);
  if (offset % 4 == 0) SetOption(Option::kSampleInterval, kSampleInterval);
  if (input->ConsumeBool()) fake_os::RefusalsLeaveHoles();
}

class Threads {
 public:
  Threads(FuzzedDataProvider* input, Player* player)
      : input_(input), player_(player) {}

  // A thread begins or ends, or the running one plays a step.
  void Step() {
    switch (input_->ConsumeIntegralInRange(0, 15)) {
      case 0:
        running_ = input_->ConsumeIntegralInRange<size_t>(0, kWorkers - 1);
        if (workers_[running_] == nullptr) Start();
        return;
      case 1:
        workers_[running_].reset();
        return;
      default:
        return Play();
    }
  }

 private:
  void Start() {
    workers_[running_] = std::make_unique<Worker>();
    // As one whose destructors run late: its heap is gone.
    if (input_->ConsumeIntegralInRange(0, 7) != 0) return;
    workers_[running_]->Do([] { t_heap = &g_gone_heap; });
  }

  void Play() {
    const auto step = [this] {
      player_->Step();
      g_central_heap.Check(t_heap);
    };
    if (workers_[running_] == nullptr) return step();
    workers_[running_]->Do(step);
  }

  FuzzedDataProvider* const input_;
  Player* const player_;
  // None is the one that plays the whole.
  std::array<std::unique_ptr<Worker>, kWorkers> workers_;
  size_t running_ = 0;
};

void Run(FuzzedDataProvider* input) {
  BeginAnew();
  SetUp(input);
  Player player(input, /*exchange=*/nullptr);
  {
    Threads threads(input, &player);
    for (size_t i = 0; i < kMaxSteps && input->remaining_bytes() > 0; ++i) {
      threads.Step();
      ++g_totals.steps;
    }
  }
  g_totals.refused += fake_os::CountRefused();
  player.FreeAll();
  ExpectAllToGoBack();
  if (!fake_os::ForeignMemoryIsIntact()) {
    Complain("others' memory was written to", nullptr, 0);
  }
}

}  // namespace
}  // namespace memalloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  memalloc::fuzz::Run(&input);
  return 0;
}
