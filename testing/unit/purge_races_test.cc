// Purging among other things: what happens while runs are out, forks, signals,
// threads, and random steps; and a kernel that refuses it for long.

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

using fake_os::Call;

constexpr size_t kMiB = 1024 * 1024;
constexpr uint64_t kDelay = 1000;

size_t Purgeable() { return g_central_heap.Counts().purgeable_bytes; }

void Tick() {
  fake_os::PassTime(kDelay / 2);
  PassSlowPath();
}

// A free run of 4 MiB that the next tick purges.
void* MakeIdleRun() {
  StartClock();
  void* block = Allocate(4 * kMiB);
  Allocate(kMiB);
  Fill(block, 4 * kMiB, 1);
  Free(block);
  Tick();
  return block;
}

// After this a request finds free granules or nothing.
void AllowNoMore() { fake_os::LimitMemory(fake_os::UsableBytes()); }

// Nothing is out: every granule can be had.
void ExpectAllGranulesThere() {
  AllowNoMore();
  TakeFreeGranules();
  CheckHeap();
  fake_os::EndShortage();
}

// ---- while runs are out ----

CORE_TEST(PurgeRaces, WhatIsTakenMeanwhileKeepsItsContents) {
  void* idle = MakeIdleRun();
  static void* taken;
  fake_os::Before(Call::kPurge, [] {
    // As by a signal's handler.
    taken = Allocate(3 * kMiB);
    Fill(taken, 3 * kMiB, 2);
    CheckHeap();
    FreeAll(AllocateMany(100, 3000));
    Tick();
    g_central_heap.Trim(0);
  });
  Tick();
  ASSERT_NE(taken, nullptr);
  EXPECT_NE(taken, idle);
  EXPECT_TRUE(HasPattern(taken, 3 * kMiB, 2));
  CheckHeap();
  ExpectAllGranulesThere();
}

CORE_TEST(PurgeRaces, WhoWouldFailWaits) {
  void* idle = MakeIdleRun();
  AllowNoMore();
  static std::atomic<void*> got;
  static std::thread other;
  got = nullptr;
  fake_os::Before(Call::kPurge, [] {
    other = std::thread([] { got = Allocate(4 * kMiB); });
    while (!fake_os::HasFailed()) std::this_thread::yield();
    EXPECT_EQ(got.load(), nullptr);
  });
  Tick();
  other.join();
  EXPECT_EQ(got.load(), idle);
}

CORE_TEST(PurgeRaces, WhoPurgesDoesNotWaitForItself) {
  MakeIdleRun();
  AllowNoMore();
  fake_os::Before(Call::kPurge, [] {
    EXPECT_EQ(Allocate(4 * kMiB), nullptr) << "in a signal's handler";
  });
  Tick();
  EXPECT_NE(Allocate(4 * kMiB), nullptr);
}

// ---- fork ----

std::atomic<bool> g_fork_began;

// Another thread's batch is waited for.
CORE_TEST(PurgeRaces, AForkMissesNothing) {
  MakeIdleRun();
  static std::atomic<bool> has_forked;
  // Runs before the allocator's handler, which was registered before.
  ASSERT_EQ(pthread_atfork([] { g_fork_began = true; },
                           [] { has_forked = true; }, nullptr),
            0);
  static std::atomic<bool> is_out;
  std::thread purger([] {
    fake_os::Before(Call::kPurge, [] {
      is_out = true;
      while (!g_fork_began) std::this_thread::yield();
    });
    Tick();
    // In the child, ThreadSanitizer would miss the join of a thread that ended.
    while (!has_forked) std::this_thread::yield();
  });
  while (!is_out) std::this_thread::yield();
  InForkedChild([] {
    EXPECT_EQ(Purgeable(), 0U) << "the batch came back first";
    ExpectAllGranulesThere();
    for (int i = 0; i < 3; ++i) Tick();
    FreeAll(AllocateMany(2 * kMiB, 10));
    Tick();
    Tick();
    EXPECT_EQ(Purgeable(), 0U) << "the child purges too";
  });
  purger.join();
  ExpectAllGranulesThere();
}

// A signal's handler forks while its thread purges: both processes go on with
// the batch.
CORE_TEST_WITHOUT_TSAN(
    PurgeRaces, AHandlerForksWhileItsThreadPurges,
    "it knows no signals, and the order of locks is another one") {
  MakeIdleRun();
  void* kept = Allocate(kMiB);
  Fill(kept, kMiB, 2);
  const pid_t parent = getpid();
  fake_os::Before(Call::kPurge, [&] {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    Fill(Allocate(4 * kMiB), 4 * kMiB, 3);
    CheckHeap();
  });
  Tick();
  const auto check = [&] {
    EXPECT_TRUE(HasPattern(kept, kMiB, 2));
    CheckHeap();
    ExpectAllGranulesThere();
    // The lock of purging is free again.
    fake_os::PassTime(kDelay);
    FreeAll(AllocateMany(kMiB, 3));
    EXPECT_TRUE(g_central_heap.Trim(0));
    InForkedChild([] { Allocate(4 * kMiB); });
  };
  check();
  if (getpid() != parent) _exit(testing::Test::HasFailure() ? 1 : 0);
}

// ---- random steps ----

struct Live {
  void* block;
  size_t size;
};

void RandomSteps(uint64_t seed, int steps) {
  std::mt19937_64 random(seed);
  std::vector<Live> live;
  for (int step = 0; step < steps; ++step) {
    const uint64_t what = random() % 100;
    const bool grows = step / 200 % 2 == 0;
    if (live.empty() || what < (grows ? 50U : 30U)) {
      const size_t size = 1 + random() % (size_t{1} << (4 + random() % 20));
      const bool zero = random() % 4 == 0;
      void* block = zero ? AllocateZeroed(size) : Allocate(size);
      ASSERT_NE(block, nullptr);
      if (zero) {
        ASSERT_TRUE(IsZero(block, size));
      }
      Fill(block, size, size + seed);
      live.push_back({block, size});
    } else if (what < 85) {
      const size_t index = random() % live.size();
      const Live one = live[index];
      ASSERT_TRUE(HasPattern(one.block, one.size, one.size + seed));
      Free(one.block);
      live[index] = live.back();
      live.pop_back();
    } else if (what < 99) {
      fake_os::PassTime(random() % kDelay);
      PassSlowPath();
    } else {
      g_central_heap.Trim(random() % (8 * kMiB));
    }
    if (random() % 64 == 0) CheckHeap();
  }
  for (const Live& one : live) {
    ASSERT_TRUE(HasPattern(one.block, one.size, one.size + seed));
    Free(one.block);
  }
}

CORE_TEST(PurgeRaces, RandomSteps) {
  RandomSteps(7, 4000);
  EXPECT_GT(fake_os::PurgedBytes(), 0U);
}

CORE_TEST(PurgeRaces, RandomStepsWhileTheKernelRefusesSome) {
  for (size_t nth = 1; nth < 60; nth += 3) {
    fake_os::Fail(Call::kPurge, nth, 2);
    RandomSteps(nth, 200);
  }
  CheckHeap();
}

// The tick of a refill lasts until the next one, of another thread: the block
// that was just taken is still unused then, but not idle.
CORE_TEST(PurgeRaces, ARefillThatTicksForLong) {
  StartClock();
  Allocate(64);
  // The next one gets another block, and looks at the clock for that.
  AllocateMany(5000, CellsPerBlock(5000));
  void* block = Allocate(4 * kMiB);
  Allocate(kMiB);
  Fill(block, 4 * kMiB, 1);
  Free(block);
  Worker worker;
  worker.Do([] { Allocate(1); });
  const auto tick = [] {
    fake_os::PassTime(kDelay / 2);
    PassSlowPath();
  };
  tick();
  fake_os::PassTime(kDelay / 2);
  const uint32_t ticks = g_central_heap.ticks();
  fake_os::Before(fake_os::Call::kPurge, [&] { worker.Do(tick); });
  void* cell = Allocate(5000);
  EXPECT_EQ(g_central_heap.ticks(), ticks + 2);
  Fill(cell, 5000, 1);
  EXPECT_EQ(OwnerOf(cell), t_heap);
  CheckHeap();
  Free(cell);
}

CORE_TEST(PurgeRaces, ThreadsAndForks) {
  StartClock();  // the handlers of fork are registered
  SetOption(Option::kPurgeDelay, 2);
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([i] { RandomSteps(i, 1500); });
  }
  for (int i = 0; i < 10; ++i) {
    InForkedChild([i] { RandomSteps(static_cast<uint64_t>(i) + 10, 300); });
  }
  for (std::thread& thread : threads) thread.join();
  CheckHeap();
  g_central_heap.Trim(0);
  EXPECT_EQ(Purgeable(), 0U);
  ExpectAllGranulesThere();
}

// Cells go from thread to thread through slots, and most are freed elsewhere
// than they were made, while blocks that are left sparse are purged.
CORE_TEST(PurgeRaces, CellsPassedOnAmongSparseBlocks) {
  SetOption(Option::kPurgeDelay, 2);
  struct Cell {
    size_t size;
    uint64_t seed;
  };
  constexpr size_t kSlots = 20000;
  static std::atomic<Cell*> slots[kSlots];
  const auto release = [](Cell* cell) {
    if (cell == nullptr) return;
    const size_t rest = cell->size - sizeof(Cell);
    ASSERT_TRUE(HasPattern(cell + 1, rest, cell->seed));
    cell->seed = ~cell->seed;
    Free(cell);
  };
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([t, &release] {
      std::mt19937_64 random(t);
      for (uint64_t step = 0; step < 100000; ++step) {
        const size_t slot = random() % kSlots;
        Cell* cell = nullptr;
        // Phases in which the slots become few, so that blocks get sparse.
        if (random() % 100 < (step / 20000 % 2 == 0 ? 90U : 4U)) {
          const size_t most = size_t{32} << random() % 10;
          const size_t size = 32 + random() % most;
          cell = static_cast<Cell*>(Allocate(size));
          ASSERT_NE(cell, nullptr);
          *cell = {size, random()};
          Fill(cell + 1, size - sizeof(Cell), cell->seed);
        }
        release(slots[slot].exchange(cell));
        if (step % 512 == 0) {
          fake_os::PassTime(1);
          PassSlowPath();
        }
        if (step % 8192 == 0) g_central_heap.Trim(0);
        if (step % 4096 == 0) CheckHeap();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CheckHeap();
  for (std::atomic<Cell*>& slot : slots) release(slot.exchange(nullptr));
  g_central_heap.Trim(0);
  g_central_heap.Trim(0);
  EXPECT_LE(BlocksInUse(), 1U) << "the thread heaps";
}

// ---- where the kernel refuses again and again ----

// It would be asked for the same at each tick.
CORE_TEST(LockedMemory, IsOfferedMoreAndMoreSeldom) {
  MakeIdleRun();
  fake_os::Fail(Call::kPurge, 1, fake_os::kForEver);
  constexpr size_t kTicks = 1000;
  for (size_t i = 0; i < kTicks; ++i) Tick();
  EXPECT_GT(fake_os::Count(Call::kPurge), kTicks / 64);
  EXPECT_LT(fake_os::Count(Call::kPurge), kTicks / 16);
  // Unlocked, it goes; then all is as ever.
  fake_os::EndShortage();
  for (int i = 0; i < 34; ++i) Tick();
  EXPECT_EQ(Purgeable(), 0U);
  MakeIdleRun();
  Tick();
  EXPECT_EQ(Purgeable(), 0U);
}

CORE_TEST(LockedMemory, IsNoReasonToKeepWhatCameLater) {
  MakeIdleRun();
  fake_os::Fail(Call::kPurge, 1, fake_os::kForEver);
  for (int i = 0; i < 100; ++i) Tick();
  fake_os::EndShortage();
  void* block = Allocate(6 * kMiB);
  Allocate(kMiB);
  Fill(block, 6 * kMiB, 1);
  Free(block);
  Tick();
  Tick();
  EXPECT_EQ(Purgeable(), 0U);
}

CORE_TEST(LockedMemory, DoesNotKeepTheRest) {
  StartClock();
  std::vector<void*> blocks;
  for (int i = 0; i < 2; ++i) {
    blocks.push_back(Allocate(4 * kMiB));
    Fill(blocks.back(), 4 * kMiB, 1);
    Allocate(kMiB);
  }
  FreeAll(blocks);
  Tick();
  fake_os::Fail(Call::kPurge, 1);
  Tick();
  EXPECT_EQ(Purgeable(), 4 * kMiB);
  Tick();
  Tick();
  EXPECT_EQ(Purgeable(), 0U) << "asked again without delay";
}

}  // namespace
}  // namespace memalloc
