// A heap as it is when a program starts; see fresh_heap.h.

#include "testing/fuzz/fresh_heap.h"

#include <cstdio>
#include <cstdlib>
#include <new>

#include "memalloc/base/options.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/observe/profile_tables.h"
#include "testing/unit/fake_os.h"

namespace memalloc::fuzz {
namespace {

// Of the default purge delay, so that each is a tick.
constexpr uint64_t kDelay = 1000;
// Until what parked heaps held is an orphan, and idle, and has gone.
constexpr int kTicks = 6;

}  // namespace

void BeginAnew() {
  t_heap = &g_no_heap;
  new (&g_central_heap) CentralHeap();
  new (&g_sampled_cells) SampledCells();
  new (&g_profile) ProfileTables();
  g_has_samples = false;
  t_sampling_point.Restart();
  g_address_map.Set(fake_os::Reservation().start,
                    fake_os::Reservation().bytes >> kArenaShift,
                    SlotKind::kForeign);
  fake_os::BeginAnew();
  ResetOptions();
}

void ResetOptions() {
  for (size_t i = 0; i < kNumOptions; ++i) {
    SetOption(static_cast<Option>(i), kOptionInfo[i].initial);
  }
}

void ExpectAllToGoBack() {
  fake_os::EndShortage();
  ResetOptions();
  for (int i = 0; i < kTicks; ++i) {
    fake_os::PassTime(kDelay);
    do {
      PassSlowPath();
    } while (g_central_heap.purge_goes_on());
    g_central_heap.Trim(0);
  }
  g_central_heap.Check(t_heap);
  const CentralCounts counts = g_central_heap.Counts();
  if (counts.live_bytes != 0) {
    fprintf(stderr, "fuzz: %zu bytes were lost\n",
            static_cast<size_t>(counts.live_bytes));
    abort();
  }
}

}  // namespace memalloc::fuzz
