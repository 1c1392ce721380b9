// Freed memory really goes back to the kernel: by itself while the program does
// something, by a background thread while it does nothing, at once by
// malloc_trim. What is kept keeps its contents, in threads and forked children
// too.
//
// Nothing is timed: resident memory is looked at until it has fallen, and the
// harness's deadline ends a scenario in which it never does.

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "memalloc/memalloc.h"
#include "testing/contract/process_memory.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"

namespace process {
namespace {

constexpr size_t kTotal = 256 * kMiB;
// What may stay: a few blocks of each class in a thread's hands.
constexpr size_t kMayStay = 8 * kMiB;

// Blocks of mixed sizes, `kTotal` bytes of them, every `keep`-th of which is
// kept; 0 keeps none.
std::vector<Block> UseMuch(size_t keep) {
  std::vector<Block> blocks;
  size_t bytes = 0;
  for (uint64_t n = 0; bytes < kTotal; ++n) {
    const size_t size = 100 + n * 7919 % (n % 50 == 0 ? 2 * kMiB : 64 * kKiB);
    blocks.push_back(MakeBlock(size, n));
    bytes += size;
  }
  std::vector<Block> kept;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (keep != 0 && i % keep == 0) {
      kept.push_back(blocks[i]);
    } else {
      ReleaseBlock(&blocks[i]);
    }
  }
  return kept;
}

void CheckAll(const std::vector<Block>& blocks) {
  for (const Block& block : blocks) CheckBlock(block);
}

void SleepABit() {
  const timespec bit = {0, 5000000};
  nanosleep(&bit, nullptr);
}

void UntilResidentFallsTo(size_t bytes, void (*meanwhile)()) {
  for (int i = 0; contract::ResidentBytes() > bytes; ++i) {
    meanwhile();
    if (i % 200 == 199) {
      Note("resident: %zu KiB, wanted: %zu", contract::ResidentBytes() / kKiB,
           bytes / kKiB);
    }
    SleepABit();
  }
}

size_t Baseline() {
  free(malloc(1));
  return contract::ResidentBytes();
}

// Small blocks alone: nothing that needs the central heap.
void SmallActivity() {
  for (int i = 0; i < 2000; ++i) {
    void* volatile block = malloc(100);
    free(block);
  }
}

void LargeActivity() {
  void* volatile block = malloc(kMiB);
  free(block);
}

void GoesWithSmallActivity() {
  const size_t before = Baseline();
  UseMuch(0);
  UntilResidentFallsTo(before + kMayStay, SmallActivity);
}

void GoesWithLargeActivity() {
  const size_t before = Baseline();
  UseMuch(0);
  UntilResidentFallsTo(before + kMayStay, LargeActivity);
}

// Large blocks are single runs: holes in the middle of the heap.
void HolesGo() {
  const size_t before = Baseline();
  std::vector<Block> kept;
  std::vector<Block> freed;
  for (uint64_t n = 0; n < 400; ++n) {
    (n % 2 == 0 ? kept : freed).push_back(MakeBlock(512 * kKiB, n));
  }
  for (Block& block : freed) ReleaseBlock(&block);
  UntilResidentFallsTo(before + 100 * kMiB + kMayStay, SmallActivity);
  CheckAll(kept);
  for (Block& block : kept) ReleaseBlock(&block);
  UntilResidentFallsTo(before + kMayStay, SmallActivity);
}

void HugeBlocksGo() {
  const size_t before = Baseline();
  for (uint64_t n = 0; n < 3; ++n) {
    Block block = MakeBlock(20 * kMiB, n);
    ReleaseBlock(&block);
  }
  UntilResidentFallsTo(before + kMayStay, SmallActivity);
}

// What threads leave that have ended.
void DeadThreadsMemoryGoes() {
  const size_t before = Baseline();
  for (int i = 0; i < 4; ++i) {
    std::thread([] { UseMuch(0); }).join();
  }
  UntilResidentFallsTo(before + kMayStay, SmallActivity);
}

// The kernel is asked by a thread that runs while nobody allocates.
void GoesWithABackgroundThread() {
  const size_t before = Baseline();
  REQUIRE(memalloc_start_background_thread() == 0);
  const std::vector<Block> kept = UseMuch(100);
  // Blocks in which a cell is kept stay, and empty ones that this thread has
  // for itself.
  UntilResidentFallsTo(before + kTotal / 2, [] {});
  CheckAll(kept);
  memalloc_stop_background_thread();
}

void TrimGivesBackAtOnce() {
  const size_t before = Baseline();
  const std::vector<Block> none = UseMuch(0);
  REQUIRE(malloc_trim(0) == 1);
  Note("resident after malloc_trim: %zu KiB more than at first",
       (contract::ResidentBytes() - before) / kKiB);
  REQUIRE(contract::ResidentBytes() < before + kMayStay);
  REQUIRE(malloc_trim(0) == 0);
  const std::vector<Block> kept = UseMuch(200);
  REQUIRE(malloc_trim(0) == 1);
  CheckAll(kept);
}

size_t CountMappings() {
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  size_t lines = 0;
  char text[4096];
  for (ssize_t n; (n = read(fd, text, sizeof(text))) > 0;) {
    for (ssize_t i = 0; i < n; ++i) lines += text[i] == '\n';
  }
  close(fd);
  return lines;
}

// Ten thousand holes, of which no page was ever touched, cut no mapping.
void PurgesSplitNoMapping() {
  constexpr size_t kHoles = 1000;
  size_t before = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<void*> kept;
    std::vector<void*> freed;
    for (size_t n = 0; n < 2 * kHoles; ++n) {
      (n % 2 == 0 ? kept : freed).push_back(malloc(100 * kKiB));
      REQUIRE((n % 2 == 0 ? kept : freed).back() != nullptr);
    }
    if (before == 0) before = CountMappings();
    for (void* block : freed) free(block);
    REQUIRE(malloc_trim(0) == 1);
    REQUIRE(CountMappings() <= before + 8);
    for (void* block : kept) free(block);
  }
}

// Threads allocate, with contents checked, while others trim and fork.
void AmongThreadsAndForks() {
  if (memalloc_start_background_thread != nullptr) {
    REQUIRE(memalloc_start_background_thread() == 0);
  }
  std::atomic<bool> ends{false};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&ends, t] {
      for (uint64_t n = 0; !ends; ++n) Exercise(t * 1000 + n, 500);
    });
  }
  threads.emplace_back([&ends] {
    while (!ends) malloc_trim(kMiB);
  });
  for (int i = 0; i < 40; ++i) {
    const int child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      Exercise(static_cast<uint64_t>(i), 300);
      malloc_trim(0);
      Exercise(static_cast<uint64_t>(i) + 1, 300);
      _exit(0);
    }
    RequireExitsCleanly(child);
  }
  ends = true;
  for (std::thread& thread : threads) thread.join();
  if (memalloc_check_heap != nullptr) memalloc_check_heap();
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> scenarios = {
      {"GoesWithSmallActivity", GoesWithSmallActivity},
      {"GoesWithLargeActivity", GoesWithLargeActivity},
      {"HolesGo", HolesGo},
      {"HugeBlocksGo", HugeBlocksGo},
      {"DeadThreadsMemoryGoes", DeadThreadsMemoryGoes},
      {"GoesWithABackgroundThread", GoesWithABackgroundThread},
      {"TrimGivesBackAtOnce", TrimGivesBackAtOnce},
      {"PurgesSplitNoMapping", PurgesSplitNoMapping},
      {"AmongThreadsAndForks", AmongThreadsAndForks},
  };
  for (size_t i : {0, 1, 2, 3, 4}) {
    scenarios[i].not_on_libc = "it keeps much of what is free";
  }
  scenarios[5].not_on_libc = "it has no such thread";
  scenarios[6].not_on_libc = "malloc_trim says 1 also when nothing is left";
  return scenarios;
}

}  // namespace process
