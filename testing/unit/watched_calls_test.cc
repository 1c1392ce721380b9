// The hook for every call: each is told once, with what it was asked for and
// what came of it, and the heap works meanwhile as it does without.

#include "memalloc/heap/watched_calls.h"

#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sized_free.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;

// ---- a watcher that keeps what it is told ----

std::mutex g_mutex;
std::vector<WatchedCall> g_begun;
std::vector<WatchedCall> g_ended;
int g_threads_ended = 0;
int g_children = 0;

void Begins(WatchedCall* call) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  g_begun.push_back(*call);
  call->number = g_begun.size();
}
void Ends(const WatchedCall& call) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  EXPECT_LE(call.number, g_begun.size());
  EXPECT_GT(call.number, 0U);
  g_ended.push_back(call);
}
void ThreadEnds() { ++g_threads_ended; }
void InForkedChildOf() { ++g_children; }

constexpr Watcher kKeeper = {&Begins, &Ends, &ThreadEnds, &InForkedChildOf};

// What was told since the last look: one call, begun and ended.
WatchedCall TheOneCall() {
  EXPECT_EQ(g_begun.size(), 1U);
  EXPECT_EQ(g_ended.size(), 1U);
  const WatchedCall call = g_ended.empty() ? WatchedCall{} : g_ended.back();
  g_begun.clear();
  g_ended.clear();
  return call;
}

void ExpectNoCall() {
  EXPECT_TRUE(g_begun.empty());
  EXPECT_TRUE(g_ended.empty());
}

void ExpectCall(CallKind kind, const void* pointer, size_t size,
                const void* result) {
  const WatchedCall call = TheOneCall();
  EXPECT_EQ(call.kind, kind);
  EXPECT_EQ(call.pointer, pointer);
  EXPECT_EQ(call.size, size);
  EXPECT_EQ(call.result, result);
}

// One of each way through the allocator.
const size_t kSizes[] = {0, 1, 48, 1024, 1025, 5000, 70000, kMiB, 20 * kMiB};

// ---- what is told ----

CORE_TEST(WatchedCalls, NothingIsToldUnlessSomebodyWatches) {
  Free(Allocate(10));
  EXPECT_FALSE(IsWatched());
  EXPECT_FALSE(MayBeWatched()) << "decided by the first use";
}

CORE_TEST(WatchedCalls, EachIsToldOnce) {
  ASSERT_TRUE(StartWatching(kKeeper));
  for (const size_t size : kSizes) {
    // The second one comes from a bin or a magazine.
    for (int i = 0; i < 2; ++i) {
      SCOPED_TRACE(testing::Message() << size << ", " << i);
      void* block = Allocate(size);
      ExpectCall(CallKind::kMalloc, nullptr, size, block);
      Free(block);
      ExpectCall(CallKind::kFree, block, 0, nullptr);
      block = AllocateZeroed(size);
      ExpectCall(CallKind::kCalloc, nullptr, size, block);
      FreeSized(block, size, "free_sized");
      ExpectCall(CallKind::kSizedFree, block, size, nullptr);
    }
  }
}

CORE_TEST(WatchedCalls, AlignedOnesTellTheirAlignment) {
  StartWatching(kKeeper);
  for (const size_t alignment : {size_t{32}, size_t{4096}, kMiB, 64 * kMiB}) {
    void* block = AllocateAligned(100, alignment);
    const WatchedCall call = TheOneCall();
    EXPECT_EQ(call.kind, CallKind::kAligned);
    EXPECT_EQ(call.size, 100U);
    EXPECT_EQ(call.alignment, alignment);
    EXPECT_EQ(call.result, block);
    FreeAligned(block, alignment, "operator delete");
    ExpectCall(CallKind::kFree, block, 0, nullptr);
  }
}

CORE_TEST(WatchedCalls, ReallocIsOneCallWhateverItDoes) {
  StartWatching(kKeeper);
  for (const size_t from : kSizes) {
    for (const size_t to : kSizes) {
      if (to == 0) continue;  // a free: see malloc.cc
      void* block = Allocate(from);
      TheOneCall();
      void* resized = Reallocate(block, to);
      ExpectCall(CallKind::kRealloc, block, to, resized);
      Free(resized);
      TheOneCall();
    }
  }
}

CORE_TEST(WatchedCalls, OddSizesAndForeignThreadsAreTheSame) {
  StartWatching(kKeeper);
  // Less than half of the cell: not for the fast path.
  void* block = AllocateAligned(100, 4096);
  TheOneCall();
  FreeSized(block, 100, "free_sized");
  ExpectCall(CallKind::kSizedFree, block, 100, nullptr);
  Worker worker;
  for (int i = 0; i < 3; ++i) {
    block = Allocate(48);
    TheOneCall();
    worker.Do([&] { FreeSized(block, 48, "free_sized"); });
    ExpectCall(CallKind::kSizedFree, block, 48, nullptr);
    block = Allocate(48);
    TheOneCall();
    worker.Do([&] { Free(block); });
    ExpectCall(CallKind::kFree, block, 0, nullptr);
  }
}

CORE_TEST(WatchedCalls, FreeOfNullIsNone) {
  StartWatching(kKeeper);
  Free(nullptr);
  FreeSized(nullptr, 10, "free_sized");
  ExpectNoCall();
}

CORE_TEST(WatchedCalls, AFailureIsTold) {
  void* block = Allocate(kMiB);
  StartWatching(kKeeper);
  EXPECT_EQ(Allocate(kMaxRequest + 1), nullptr);
  ExpectCall(CallKind::kMalloc, nullptr, kMaxRequest + 1, nullptr);
  EXPECT_EQ(Reallocate(block, kMaxRequest + 1), nullptr);
  ExpectCall(CallKind::kRealloc, block, kMaxRequest + 1, nullptr);
}

// ---- threads ----

CORE_TEST(WatchedCalls, AThreadIsWatchedFromItsFirstCall) {
  StartWatching(kKeeper);
  Worker worker;
  void* block = nullptr;
  worker.Do([&] { block = Allocate(48); });
  ExpectCall(CallKind::kMalloc, nullptr, 48, block);
  worker.End();
  EXPECT_EQ(g_threads_ended, 1);
  EXPECT_EQ(g_central_heap.Counts().thread_heaps, 0U) << "its heap went back";
}

// With a bin full of cells it need not come by at once.
CORE_TEST(WatchedCalls, OneThatHasAHeapIsWatchedFromItsNextSlowPath) {
  Worker worker;
  std::vector<void*> blocks;
  ThreadHeap* heap = nullptr;
  worker.Do([&] {
    blocks.push_back(Allocate(48));
    heap = t_heap;
  });
  StartWatching(kKeeper);
  worker.Do([&] {
    for (int i = 0; i < 10; ++i) blocks.push_back(Allocate(48));
  });
  ExpectNoCall();
  worker.Do([&] { blocks.push_back(Allocate(kMiB)); });
  ExpectCall(CallKind::kMalloc, nullptr, kMiB, blocks.back());
  worker.Do([&] { blocks.push_back(Allocate(48)); });
  ExpectCall(CallKind::kMalloc, nullptr, 48, blocks.back());
  EXPECT_EQ(OwnerOf(blocks.back()), heap);
}

CORE_TEST(WatchedCalls, AfterTheEndThreadsHaveTheirHeapsAgain) {
  void* block = Allocate(48);
  ThreadHeap* heap = t_heap;
  StartWatching(kKeeper);
  EXPECT_EQ(t_heap, &g_no_heap);
  Allocate(48);
  EXPECT_EQ(g_ended.size(), 1U);
  StopWatching();
  Free(block);
  Allocate(48);
  EXPECT_EQ(g_ended.size(), 1U);
  EXPECT_EQ(t_heap, heap);
  EXPECT_EQ(t_kept_heap, nullptr);
  CheckHeap();
}

CORE_TEST(WatchedCalls, AForkedChildIsTold) {
  StartWatching(kKeeper);
  std::vector<void*> blocks = AllocateMany(48, 100);
  InForkedChild([&] {
    EXPECT_EQ(g_children, 1);
    FreeAll(blocks);
    FreeAll(AllocateMany(kMiB, 3));
    CheckHeap();
  });
  EXPECT_EQ(g_children, 0);
}

// ---- the heap meanwhile ----

// Four threads allocate, resize and free each other's blocks at random.
CORE_TEST(WatchedCalls, BlocksKeepTheirContents) {
  StartWatching(kKeeper);
  constexpr int kSteps = 5000;
  struct Block {
    void* start;
    size_t size;
    uint64_t seed;
  };
  std::vector<Block> blocks;
  Worker workers[4];
  std::mt19937_64 random(1);
  for (int i = 0; i < kSteps; ++i) {
    const uint64_t choice = random();
    const size_t size = 1 + (random() >> (44 + random() % 20));
    workers[choice % 4].Do([&] {
      if (blocks.size() < 100 || choice / 4 % 2 == 0) {
        blocks.push_back({Allocate(size), size, choice});
        Fill(blocks.back().start, size, choice);
        return;
      }
      Block& block = blocks[choice / 8 % blocks.size()];
      ASSERT_TRUE(HasPattern(block.start, block.size, block.seed));
      if (choice % 16 < 8) {
        block.start = Reallocate(block.start, size);
        ASSERT_TRUE(HasPattern(block.start, Min(size, block.size), block.seed,
                               block.size));
        block.size = size;
        Fill(block.start, size, block.seed);
        return;
      }
      FreeSized(block.start, block.size, "free_sized");
      block = blocks.back();
      blocks.pop_back();
    });
  }
  EXPECT_EQ(g_ended.size(), static_cast<size_t>(kSteps));
  CheckHeap();
  for (Worker& worker : workers) worker.End();
  CheckHeap();
}

}  // namespace
}  // namespace memalloc
