// The sampling point: each kind of block is drawn with the chance of its size,
// whatever happens around it; samples are known again when they are freed; and
// nothing is done while it is off.

#include "memalloc/heap/sampling.h"

#include <errno.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/base/logarithm.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sized_free.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"
#include "testing/unit/worker.h"

namespace memalloc {
namespace {

constexpr size_t kMiB = 1024 * 1024;

// ---- what is told ----

std::map<uintptr_t, size_t>* g_live;  // samples, and their sizes
size_t g_taken = 0;
double g_estimate = 0;  // allocations that the samples taken stand for

void NoteTaken(uintptr_t start, size_t size, uint64_t interval) {
  ++g_taken;
  g_estimate += 1 / SampleChance(size, interval);
  EXPECT_TRUE(g_live->emplace(start, size).second) << "is one already";
  EXPECT_EQ(UsableSize(reinterpret_cast<void*>(start)), size);
  errno = ENOTTY;
}

void NoteFreed(uintptr_t start) {
  EXPECT_EQ(g_live->erase(start), 1U) << "was none";
  errno = ENOTTY;
}

void NoteRenamed(uintptr_t from, uintptr_t to) {
  auto sample = g_live->extract(from);
  ASSERT_FALSE(sample.empty()) << "was none";
  sample.key() = to;
  EXPECT_TRUE(g_live->insert(std::move(sample)).inserted) << "is one already";
  errno = ENOTTY;
}

void PrepareNothing() {}

constexpr SampleHooks kHooks = {&PrepareNothing, &NoteTaken, &NoteFreed,
                                &NoteRenamed};

void StartSampling(uint64_t interval) {
  g_live = new std::map<uintptr_t, size_t>;
  g_sample_hooks.store(&kHooks);
  SetOption(Option::kSampleInterval, interval);
}

bool IsSample(const void* pointer) {
  return g_live->count(reinterpret_cast<uintptr_t>(pointer)) != 0;
}

// Allocates until a sample comes; what is allocated before stays.
void* AllocateSample(size_t size) {
  for (;;) {
    void* pointer = Allocate(size);
    if (IsSample(pointer)) return pointer;
  }
}

// ---- the mathematics ----

TEST(Logarithm, IsThatOfLibm) {
  for (double x = 0x1p-53; x < 1e6; x *= 1.0007) {
    ASSERT_NEAR(Ln(x), std::log(x), 1e-9 * (1 + std::abs(std::log(x)))) << x;
  }
  EXPECT_EQ(Ln(1), 0);
}

TEST(Logarithm, TheExponentialIsThatOfLibm) {
  for (double x = 1e-9; x < 100; x *= 1.0007) {
    ASSERT_NEAR(OneMinusExp(x), -std::expm1(-x), 1e-9 * -std::expm1(-x)) << x;
  }
  EXPECT_EQ(OneMinusExp(0), 0);
}

// The chance of each number from 1 to `count` to be the first, and of none.
CORE_TEST(SamplingPoint, EachIsTheFirstWithTheSameChance) {
  constexpr size_t kCount = 5;
  constexpr size_t kSize = 48;
  constexpr size_t kTries = 200000;
  SetOption(Option::kSampleInterval, 200);
  const double chance = SampleChance(kSize, 200);
  SamplingPoint point;
  size_t firsts[kCount + 1] = {};
  for (size_t i = 0; i < kTries; ++i) ++firsts[point.Count(kCount, kSize)];
  double left = 1;
  for (size_t i = 1; i <= kCount; ++i) {
    const double expected = kTries * left * chance;
    EXPECT_NEAR(firsts[i], expected, 5 * std::sqrt(expected)) << i;
    left *= 1 - chance;
  }
  EXPECT_NEAR(firsts[0], kTries * left, 5 * std::sqrt(kTries * left));
}

// ---- unbiased ----

// Of so many allocations of one size, held within a window of `window` live
// ones, as many are samples as there should be.
void ExpectUnbiased(size_t size, size_t count, size_t window,
                    uint64_t interval) {
  SCOPED_TRACE(size);
  g_taken = 0;
  g_estimate = 0;
  std::vector<void*> live(window);
  std::mt19937 random(7);
  for (size_t i = 0; i < count; ++i) {
    void*& place = live[random() % window];
    Free(place);
    place = Allocate(size);
  }
  const double chance = SampleChance(UsableSize(live[0]), interval);
  const double sigma = std::sqrt(count * chance * (1 - chance));
  EXPECT_GT(count * chance, 300) << "too few to tell";
  EXPECT_NEAR(g_taken, count * chance, 4 * sigma + 1);
  EXPECT_NEAR(g_estimate, count, (4 * sigma + 1) / chance);
  FreeAll(live);
  EXPECT_TRUE(g_live->empty());
}

CORE_TEST(Sampling, IsUnbiasedForEachKindOfBlock) {
  StartSampling(10000);
  ExpectUnbiased(1, 300000, 500, 10000);
  ExpectUnbiased(16, 300000, 5000, 10000);
  ExpectUnbiased(100, 200000, 5000, 10000);
  ExpectUnbiased(1024, 50000, 100, 10000);
  // Out of the magazine, mostly; and blocks of several granules.
  ExpectUnbiased(1500, 50000, 1, 10000);
  ExpectUnbiased(5000, 50000, 30, 10000);
  CheckHeap();
  SetOption(Option::kSampleInterval, 200000);
  ExpectUnbiased(40000, 20000, 20, 200000);
  ExpectUnbiased(65536, 20000, 20, 200000);
  // Large, out of the magazine and not, and huge.
  ExpectUnbiased(100000, 20000, 1, 200000);
  ExpectUnbiased(2 * kMiB, 5000, 2, 200000);
  SetOption(Option::kSampleInterval, 100 * kMiB);
  ExpectUnbiased(20 * kMiB, 4000, 2, 100 * kMiB);
}

// Sizes do not disturb each other: each bin is filled while others have theirs.
CORE_TEST(Sampling, IsUnbiasedForMixedSizes) {
  constexpr uint64_t kInterval = 20000;
  const std::vector<size_t> sizes = {16, 64, 304, 1024, 1216, 6000};
  StartSampling(kInterval);
  std::map<size_t, double> counts;
  std::map<size_t, double> estimates;
  std::vector<std::pair<void*, size_t>> live(3000);
  std::mt19937 random(3);
  for (int i = 0; i < 600000; ++i) {
    auto& place = live[random() % live.size()];
    Free(place.first);
    const size_t size = sizes[random() % sizes.size()];
    g_estimate = 0;
    place = {Allocate(size), size};
    counts[size] += 1;
    estimates[size] += g_estimate;
  }
  for (size_t size : sizes) {
    const double chance = SampleChance(CellSize(SizeClassOf(size)), kInterval);
    const double sigma = std::sqrt(counts[size] * (1 - chance) / chance);
    EXPECT_NEAR(estimates[size], counts[size], 4 * sigma) << size;
  }
  CheckHeap();
  for (auto& place : live) Free(place.first);
  EXPECT_TRUE(g_live->empty());
  CheckHeap();
}

// A block that grows where it stands is drawn for what it grew by, one that
// shrinks may cease to be a sample.
CORE_TEST(Sampling, FollowsBlocksThatAreResized) {
  constexpr uint64_t kInterval = kMiB;
  constexpr size_t kSmaller = 300 * 1024;
  constexpr size_t kLarger = 1700 * 1024;
  StartSampling(kInterval);
  size_t moves = 0;
  for (const auto& [from, to] :
       {std::pair(kSmaller, kLarger), std::pair(kLarger, kSmaller)}) {
    constexpr size_t kTries = 2000;
    size_t samples = 0;
    for (size_t i = 0; i < kTries; ++i) {
      void* block = Allocate(from);
      void* resized = Reallocate(block, to);
      moves += resized != block;
      samples += IsSample(resized);
      Free(resized);
    }
    const double chance = SampleChance(to, kInterval);
    EXPECT_NEAR(samples, kTries * chance,
                4 * std::sqrt(kTries * chance * (1 - chance)))
        << to;
  }
  EXPECT_LT(moves, 100U) << "most were resized in place";
  EXPECT_TRUE(g_live->empty());
}

CORE_TEST(Sampling, FollowsHugeBlocksThatMove) {
  StartSampling(1);
  void* block = Allocate(20 * kMiB);
  ASSERT_TRUE(IsSample(block));
  Fill(block, 100, 1);
  void* in_the_way = Allocate(20 * kMiB);
  for (size_t size : {90 * kMiB, 30 * kMiB, 200 * kMiB}) {
    block = Reallocate(block, size);
    ASSERT_TRUE(IsSample(block));
    EXPECT_TRUE(HasPattern(block, 100, 1));
    EXPECT_EQ(g_live->size(), 2U);
  }
  // Refused: it is the same sample as before.
  const size_t taken = g_taken;
  fake_os::FailAny(1, fake_os::kForEver);
  EXPECT_EQ(Reallocate(block, 900 * kMiB), nullptr);
  fake_os::EndShortage();
  EXPECT_EQ(g_taken, taken);
  EXPECT_TRUE(IsSample(block));
  Free(block);
  Free(in_the_way);
  EXPECT_TRUE(g_live->empty());
  CheckHeap();
}

// ---- samples ----

CORE_TEST(Sample, IsKnownAgainHoweverItIsFreed) {
  StartSampling(2000);
  for (size_t size : {16, 1024, 5000, 65536, 100000, 20000000}) {
    SCOPED_TRACE(size);
    const size_t before = g_live->size();
    Free(AllocateSample(size));
    FreeSized(AllocateSample(size), size, "free_sized");
    Free(Reallocate(AllocateSample(size), 1));
    Worker worker;
    void* sample = AllocateSample(size);
    ASSERT_TRUE(IsSample(sample));
    worker.Do([&] { Free(sample); });
    EXPECT_FALSE(IsSample(sample));
    // By a thread that has a heap, and an open batch of the class.
    worker.Do([&] { sample = AllocateSample(size); });
    void* other;
    worker.Do([&] { other = Allocate(size); });
    Free(other);
    Free(sample);
    EXPECT_FALSE(IsSample(sample));
    EXPECT_LE(before, g_live->size());
  }
  CheckHeap();
}

CORE_TEST(Sample, IsAlignedAndHoldsWhatAnyOtherDoes) {
  StartSampling(1);
  for (size_t alignment = 16; alignment <= kMiB; alignment *= 2) {
    void* sample = AllocateAligned(100, alignment);
    ASSERT_TRUE(IsSample(sample));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(sample) % alignment, 0U);
    Fill(sample, 100, alignment);
    EXPECT_TRUE(HasPattern(sample, 100, alignment));
    Free(sample);
  }
  for (size_t size : {24, 5000, 100000}) {
    void* sample = AllocateZeroed(size);
    EXPECT_TRUE(IsZero(sample, size));
    memset(sample, 1, size);
    Free(sample);
    EXPECT_TRUE(IsZero(AllocateZeroed(size), size));
  }
  CheckHeap();
}

CORE_TEST(Sample, TakesABlockOfItsOwnAndGivesItBack) {
  StartSampling(1);
  Free(Allocate(32));  // the bin is filled, and sampled from now on
  const uint64_t before = BlocksInUse();
  const std::vector<void*> samples = AllocateMany(32, CellsPerBlock(32) + 1);
  for (void* sample : samples) {
    ASSERT_EQ(OwnerOf(sample), SampleOwner());
    ASSERT_TRUE(IsSample(sample));
  }
  CheckHeap();
  EXPECT_EQ(BlocksInUse(), before + 2);
  FreeAll(samples);
  EXPECT_EQ(BlocksInUse(), before);
  EXPECT_TRUE(g_live->empty());
  CheckHeap();
}

// With a delay of 0 the pages go before the block does.
CORE_TEST(Sample, IsNotLookedIntoOnceItsPagesMayGo) {
  StartSampling(1);
  SetOption(Option::kPurgeDelay, 0);
  void* sample = AllocateSample(5000);
  Worker worker;
  bool checked = false;
  fake_os::After(fake_os::Call::kPurge, [&] {
    worker.Do([] { g_central_heap.Check(t_heap); });
    checked = true;
  });
  Free(sample);
  EXPECT_TRUE(checked);
}

CORE_TEST(Sample, KeepsErrno) {
  StartSampling(1);
  errno = EDOM;
  for (size_t size : {16, 5000, 100000}) Free(Allocate(size));
  EXPECT_EQ(g_taken, 3U);
  EXPECT_EQ(errno, EDOM);
}

void AllocateWithin(uintptr_t, size_t, uint64_t) {
  ++g_taken;
  for (size_t size : {16, 5000, 100000}) Free(Allocate(size));
}

CORE_TEST(Sample, IsNotTakenWithinAHook) {
  static constexpr SampleHooks kAllocates = {&PrepareNothing, &AllocateWithin,
                                             &NoteFreed, &NoteRenamed};
  StartSampling(1);
  g_sample_hooks.store(&kAllocates);
  Allocate(16);
  Allocate(100000);
  EXPECT_EQ(g_taken, 2U);
  CheckHeap();
}

// Whatever comes first, a constructor or malloc, by which options are read.
CORE_TEST(Sampling, IsPreparedAtTheFirstUse) {
  static int prepared = 0;
  static constexpr SampleHooks kCounts = {[] { ++prepared; }, &NoteTaken,
                                          &NoteFreed, &NoteRenamed};
  g_live = new std::map<uintptr_t, size_t>;
  g_sample_hooks.store(&kCounts);
  fake_os::SetEnvironment("MEMALLOC_SAMPLE_INTERVAL", "1M");
  PrepareToSample();
  EXPECT_EQ(prepared, 0) << "nothing is known yet";
  Free(Allocate(1));
  EXPECT_GE(prepared, 1);
}

CORE_TEST(Sample, IsServedAsAnyOtherWhenMemoryIsShort) {
  void* first = Allocate(16);  // keeps the thread's block
  StartSampling(1);
  Free(AllocateSample(16));
  g_taken = 0;
  fake_os::FailAny(1, fake_os::kForEver);
  TakeFreeGranules();
  void* plain = Allocate(16);
  EXPECT_NE(plain, nullptr);
  EXPECT_EQ(g_taken, 0U);
  fake_os::EndShortage();
  EXPECT_TRUE(IsSample(AllocateSample(16)));
  Free(plain);
  Free(first);
  CheckHeap();
}

CORE_TEST(Sample, FreedTwiceIsSeen) {
  StartSampling(1);
  void* sample = Allocate(40);
  void* other = Allocate(40);
  EXPECT_NE(other, nullptr);
  Free(sample);
  const std::string output = OutputUntilAbort([sample] { Free(sample); });
  EXPECT_NE(output.find("double free"), std::string::npos) << output;
}

// ---- threads, fork ----

CORE_TEST(Sampling, ServesThreadsThatHaveNoHeapAnyLonger) {
  StartSampling(1);
  Allocate(16);
  t_heap = &g_gone_heap;
  void* sample = Allocate(16);
  EXPECT_TRUE(IsSample(sample));
  Free(sample);
  EXPECT_FALSE(IsSample(sample));
  EXPECT_EQ(g_live->size(), 1U);
}

CORE_TEST(Sampling, GoesOnInAForkedChild) {
  StartSampling(1);
  void* before = Allocate(16);
  InForkedChild([before] {
    ASSERT_TRUE(IsSample(before));
    Free(before);
    void* after = Allocate(16);
    EXPECT_TRUE(IsSample(after));
    Free(after);
    EXPECT_TRUE(g_live->empty());
  });
  EXPECT_TRUE(IsSample(before));
}

// ---- on and off ----

CORE_TEST(Sampling, OffIsOff) {
  StartSampling(0);
  for (size_t size : {16, 5000, 65536, 100000, 20000000}) {
    for (int i = 0; i < 1000; ++i) Free(Allocate(size));
  }
  EXPECT_EQ(g_taken, 0U);
  EXPECT_FALSE(g_has_samples.load());
  EXPECT_EQ(t_sampling_point.interval(), 0U) << "nothing was counted";
}

CORE_TEST(Sampling, EndsAndLiveSamplesStayKnown) {
  StartSampling(1);
  const std::vector<void*> samples = AllocateMany(16, 10);
  SetOption(Option::kSampleInterval, 0);
  EXPECT_FALSE(IsSample(Allocate(16)));
  FreeAll(samples);
  EXPECT_TRUE(g_live->empty());
  EXPECT_EQ(g_taken, 10U);
}

// The countdown of a long interval does not delay a shorter one.
CORE_TEST(Sampling, ChangesItsIntervalAtOnce) {
  StartSampling(uint64_t{1} << 46);
  FreeAll(AllocateMany(5000, 100));
  EXPECT_EQ(g_taken, 0U);
  SetOption(Option::kSampleInterval, 1);
  Allocate(100000);
  EXPECT_EQ(g_taken, 1U);
}

// What is put back from a bin is decided anew when it is taken out again.
CORE_TEST(Sampling, ForgetsCellsThatAreNotHandedOut) {
  StartSampling(1);
  void* first = Allocate(5000);
  t_heap->ReleaseEmptyBlocks();
  SetOption(Option::kSampleInterval, uint64_t{1} << 46);
  g_taken = 0;
  FreeAll(AllocateMany(5000, 100));
  EXPECT_EQ(g_taken, 0U);
  Free(first);
  CheckHeap();
}

}  // namespace
}  // namespace memalloc
