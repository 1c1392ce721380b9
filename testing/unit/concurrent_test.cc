// Threads that run at once. What is asserted holds in every order;
// ThreadSanitizer
// (--config=tsan) sees whether the order is settled where it must be.

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;
constexpr int kThreads = 6;

void RunThreads(const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// Places where threads leave blocks for each other.
class Exchange {
 public:
  struct Block {
    void* start = nullptr;
    size_t size = 0;
    uint64_t seed = 0;
  };

  // Leaves `block` and takes what is there.
  Block Swap(size_t place, Block block) {
    const std::lock_guard<std::mutex> lock(mutexes_[place % kMutexes]);
    std::swap(places_[place], block);
    return block;
  }

  static constexpr size_t kPlaces = 512;

 private:
  static constexpr size_t kMutexes = 16;
  std::array<std::mutex, kMutexes> mutexes_;
  std::array<Block, kPlaces> places_ = {};
};

void CheckAndFree(const Exchange::Block& block) {
  if (block.start == nullptr) return;
  ASSERT_TRUE(HasPattern(block.start, block.size, block.seed));
  Free(block.start);
}

CORE_TEST(Concurrent, RandomExchangeKeepsContents) {
  Exchange exchange;
  RunThreads([&](int number) {
    std::mt19937_64 random(static_cast<uint64_t>(number));
    for (int step = 0; step < 6000; ++step) {
      const size_t size = step % 500 == 0
                              ? 1 + random() % (4 * kMiB)
                              : random() % (size_t{1} << (4 + random() % 10));
      Exchange::Block block = {Allocate(size), size, random()};
      ASSERT_NE(block.start, nullptr);
      Fill(block.start, size, block.seed);
      block = exchange.Swap(random() % Exchange::kPlaces, block);
      if (block.start != nullptr && step % 4 == 0) {
        const size_t resized = 1 + random() % (2 * block.size + 1);
        void* moved = Reallocate(block.start, resized);
        ASSERT_TRUE(HasPattern(moved, std::min(resized, block.size), block.seed,
                               block.size));
        block.start = moved;
        block.size = 0;  // the pattern's end is not where it was
      }
      CheckAndFree(block);
    }
  });
  CheckHeap();
  for (size_t i = 0; i < Exchange::kPlaces; ++i) {
    CheckAndFree(exchange.Swap(i, {}));
  }
}

// The walker and the counts look at a heap that others work on.
CORE_TEST(Concurrent, TheHeapCanBeLookedAtMeanwhile) {
  std::atomic<int> running{kThreads - 1};
  Exchange exchange;
  RunThreads([&](int number) {
    if (number == 0) {
      while (running.load() > 0) {
        CheckHeap();
        const CentralCounts counts = g_central_heap.Counts();
        // Half a gigabyte is far more than is ever in use.
        ASSERT_LE(counts.live_bytes, 512 * kMiB);
        ASSERT_LE(counts.live_bytes, counts.backed_bytes);
        std::this_thread::yield();
      }
      return;
    }
    std::mt19937_64 random(static_cast<uint64_t>(number));
    for (int step = 0; step < 5000; ++step) {
      const size_t size = 1 + random() % 2000;
      Exchange::Block block = {Allocate(size), size, 0};
      Fill(block.start, size, 0);
      CheckAndFree(exchange.Swap(random() % Exchange::kPlaces, block));
    }
    --running;
  });
}

CORE_TEST(Concurrent, ManyThreadsClaimTheSameBlock) {
  constexpr size_t kSize = 1024;
  const size_t cells_per_block = CellsPerBlock(kSize);
  for (int round = 0; round < 30; ++round) {
    std::vector<void*> cells = AllocateMany(kSize, 4 * cells_per_block + 1);
    cells.pop_back();
    std::atomic<size_t> next{0};
    RunThreads([&](int) {
      for (;;) {
        const size_t i = next.fetch_add(1, std::memory_order_relaxed);
        if (i >= cells.size()) return;
        Free(cells[i]);
      }
    });
    CheckHeap();
  }
  // Nothing is lost: what was freed serves again.
  EXPECT_LE(g_central_heap.Counts().backed_bytes, 8 * kMiB);
}

// A thread claims an orphan that another thread then frees into; nothing else
// settles the order between the two, so the claim itself must.
CORE_TEST(Concurrent, AClaimersHeapIsPublishedByTheClaim) {
  for (int round = 0; round < 20; ++round) {
    std::vector<void*> cells;
    {
      Worker worker;
      worker.Do([&] { cells = AllocateMany(64, 20); });
      EndAndEmpty(worker);
    }
    std::atomic<bool> is_claimed{false};
    std::thread claimer([&] {
      Free(Allocate(64));
      is_claimed.store(true, std::memory_order_relaxed);
    });
    std::thread sender([&] {
      Allocate(200);
      while (!is_claimed.load(std::memory_order_relaxed)) {
        std::this_thread::yield();
      }
      FreeAll(cells);
    });
    claimer.join();
    sender.join();
  }
}

CORE_TEST(Concurrent, ThreadsStartAndEndWhileOthersFreeIntoTheirBlocks) {
  Exchange exchange;
  RunThreads([&](int number) {
    std::mt19937_64 random(static_cast<uint64_t>(number));
    for (int i = 0; i < 40; ++i) {
      std::thread([&] {
        for (int step = 0; step < 100; ++step) {
          const size_t size = 1 + random() % 500;
          Exchange::Block block = {Allocate(size), size, 1};
          Fill(block.start, size, 1);
          CheckAndFree(exchange.Swap(random() % Exchange::kPlaces, block));
        }
      }).join();
    }
  });
  CheckHeap();
  EXPECT_LE(g_central_heap.Counts().backed_bytes, 16 * kMiB);
}

CORE_TEST(Concurrent, HugeBlocksAreMadeMovedAndFreed) {
  RunThreads([](int number) {
    const auto seed = static_cast<uint64_t>(number);
    std::mt19937_64 random(seed);
    for (int step = 0; step < 30; ++step) {
      const size_t size = 9 * kMiB + random() % (30 * kMiB);
      void* block = Allocate(size);
      ASSERT_NE(block, nullptr);
      Fill(block, 9 * kMiB, seed);
      const size_t grown = size + random() % (40 * kMiB);
      block = Reallocate(block, grown);
      ASSERT_NE(block, nullptr);
      ASSERT_TRUE(HasPattern(block, 9 * kMiB, seed));
      ASSERT_TRUE(Owns(block));
      ASSERT_TRUE(Owns(static_cast<char*>(block) + grown - 1));
      Free(block);
    }
  });
  CheckHeap();
  EXPECT_EQ(g_central_heap.Counts().blocks, 0U);
}

// Memory runs short for all of them, and comes back.
CORE_TEST(Concurrent, ShortageIsSharedAndPasses) {
  Allocate(1);
  fake_os::LimitMemory(fake_os::UsableBytes() + 20 * kMiB);
  std::atomic<int> refused{0};
  RunThreads([&](int number) {
    std::mt19937_64 random(static_cast<uint64_t>(number));
    for (int round = 0; round < 10; ++round) {
      std::vector<void*> blocks;
      for (int i = 0; i < 1000; ++i) {
        void* block = Allocate(1 + random() % 60000);
        if (block == nullptr) {
          ++refused;
          break;
        }
        blocks.push_back(block);
      }
      FreeAll(blocks);
    }
  });
  CheckHeap();
  EXPECT_GT(refused.load(), 0);
  fake_os::EndShortage();
  FreeAll(AllocateMany(60000, 1000));
}

}  // namespace
}  // namespace memalloc
