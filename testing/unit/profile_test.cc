// What the profiler keeps of samples: live, at the peak, since the mark, by
// lifetime; and what happens when its tables are full.

#include "memalloc/observe/profile.h"

#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/observe/mappings.h"
#include "memalloc/observe/profile_tables.h"
#include "memalloc/observe/stack.h"
#include "testing/unit/fake_os.h"
#include "testing/unit/fresh_process.h"
#include "testing/unit/heap_testing.h"

namespace memalloc {
namespace {

// Stacks of one frame, by its address.
void Add(uintptr_t start, size_t size, uintptr_t frame, double weight = 1,
         uint64_t now = 0) {
  const LockHolder holder(g_sampling_lock);
  g_profile.Add(start, size, weight, now, &frame, 1);
}

void Remove(uintptr_t start, uint64_t now = 0) {
  const LockHolder holder(g_sampling_lock);
  g_profile.Remove(start, now);
}

// Bytes by innermost frame.
using Bytes = std::map<uintptr_t, double>;

template <typename Get>
Bytes Collect(Get get) {
  Bytes all;
  const LockHolder holder(g_sampling_lock);
  g_profile.ForStacks([&](const Stack& stack) {
    const double bytes = get(stack).bytes;
    if (bytes != 0) all[stack.frames()[0]] += bytes;
  });
  return all;
}

Bytes Live() {
  return Collect([](const Stack& stack) { return stack.live; });
}
Bytes Allocated() {
  return Collect([](const Stack& stack) { return stack.allocated; });
}
Bytes AtPeak() {
  return Collect([](const Stack& stack) MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
    return g_profile.AtPeak(stack);
  });
}
Bytes Growth() {
  return Collect([](const Stack& stack) MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
    return g_profile.Growth(stack);
  });
}

uint64_t Dropped() {
  const LockHolder holder(g_sampling_lock);
  return g_profile.dropped();
}

CORE_TEST(Profile, CountsSamplesByStack) {
  Add(16, 100, 1, 2.5);
  Add(32, 100, 1, 2.5);
  Add(48, 1000, 2);
  EXPECT_EQ(Live(), (Bytes{{1, 500}, {2, 1000}}));
  Remove(16);
  Remove(16);  // no longer one
  Remove(64);  // never one
  EXPECT_EQ(Live(), (Bytes{{1, 250}, {2, 1000}}));
  EXPECT_EQ(Allocated(), (Bytes{{1, 500}, {2, 1000}}));
  Remove(32);
  Remove(48);
  EXPECT_EQ(Live(), Bytes());
  Add(16, 5, 2);
  EXPECT_EQ(Live(), (Bytes{{2, 5}}));
}

CORE_TEST(Profile, TellsStacksApartByAllTheirFrames) {
  const std::vector<std::vector<uintptr_t>> stacks = {
      {}, {1}, {2}, {1, 2}, {2, 1}, {1, 2, 3}};
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < stacks.size(); ++i) {
      const LockHolder holder(g_sampling_lock);
      g_profile.Add(16 * (10 * round + i + 1), 1, 1, 0, stacks[i].data(),
                    stacks[i].size());
      EXPECT_EQ(g_profile.stack_count(), round == 0 ? i + 1 : stacks.size());
    }
  }
}

CORE_TEST(Profile, KnowsWhatLivedAtThePeak) {
  Add(16, 100, 1);
  Add(32, 50, 2);
  EXPECT_EQ(AtPeak(), (Bytes{{1, 100}, {2, 50}}));
  Remove(16);
  Add(48, 70, 3);  // 120 in all
  Remove(32);
  Add(64, 29, 2);
  EXPECT_EQ(AtPeak(), (Bytes{{1, 100}, {2, 50}}));
  Add(80, 52, 3);  // 151: a new one
  EXPECT_EQ(AtPeak(), (Bytes{{2, 29}, {3, 122}}));
  Remove(48);
  Remove(80);
  Remove(64);
  EXPECT_EQ(AtPeak(), (Bytes{{2, 29}, {3, 122}}));
}

CORE_TEST(Profile, CountsGrowthFromTheMark) {
  Add(16, 100, 1);
  EXPECT_EQ(Growth(), (Bytes{{1, 100}})) << "no mark: from the start";
  MarkProfile();
  EXPECT_EQ(Growth(), Bytes());
  Add(32, 10, 1);
  Add(48, 20, 2);
  EXPECT_EQ(Growth(), (Bytes{{1, 10}, {2, 20}}));
  Remove(16);
  EXPECT_EQ(Growth(), (Bytes{{1, -90}, {2, 20}}));
  MarkProfile();
  Remove(48);
  EXPECT_EQ(Growth(), (Bytes{{2, -20}}));
}

CORE_TEST(Profile, SortsByLifetime) {
  const uint64_t times[] = {0, 9, 10, 99, 100, 1000, 99999, 100000, 1u << 31};
  uintptr_t start = 16;
  for (uint64_t time : times) {
    Add(start, 1, 7, 1, 1000);
    Remove(start, 1000 + time);
    start += 16;
  }
  // A clock of another thread may be behind.
  Add(start, 1, 7, 1, 1000);
  Remove(start, 990);
  const LockHolder holder(g_sampling_lock);
  g_profile.ForStacks([](const Stack& stack) {
    std::vector<double> objects;
    for (const Counts& counts : stack.freed) objects.push_back(counts.objects);
    EXPECT_EQ(objects, (std::vector<double>{3, 2, 1, 1, 1, 2}));
  });
}

// ---- full ----

CORE_TEST(Profile, DropsSamplesForWhichThereIsNoRoom) {
  constexpr size_t kMost = (1 << 18) - 1;
  for (size_t i = 1; i <= kMost; ++i) Add(16 * i, 1, 1);
  EXPECT_EQ(Dropped(), 0U);
  Add(16 * (kMost + 1), 1, 1);
  EXPECT_EQ(Dropped(), 1U);
  EXPECT_EQ(Allocated(), (Bytes{{1, kMost}})) << "it counts nowhere";
  Remove(16 * (kMost + 1));
  Remove(16);
  EXPECT_EQ(Live(), (Bytes{{1, kMost - 1}}));
  Add(16, 1, 2);
  EXPECT_EQ(Dropped(), 1U) << "there was room again";
  EXPECT_EQ(Live(), (Bytes{{1, kMost - 1}, {2, 1}}));
}

CORE_TEST(Profile, DropsStacksForWhichThereIsNoRoom) {
  uintptr_t frames[kMaxStackDepth] = {};
  size_t kept = 0;
  while (Dropped() == 0) {
    frames[0] = ++kept;
    const LockHolder holder(g_sampling_lock);
    g_profile.Add(16 * kept, 1, 1, 0, frames, kMaxStackDepth);
  }
  --kept;
  EXPECT_GT(kept, 20000U);
  EXPECT_EQ(Live().size(), kept);
  frames[0] = 1;
  {
    const LockHolder holder(g_sampling_lock);
    g_profile.Add(8, 1, 1, 0, frames, kMaxStackDepth);
  }
  EXPECT_EQ(Live()[1], 2) << "a known stack needs no room";
}

CORE_TEST(Profile, GoesWithoutTablesWhenMemoryIsShort) {
  fake_os::FailAny(1, fake_os::kForEver);
  Add(16, 1, 1);
  Remove(16);
  EXPECT_EQ(Dropped(), 1U);
  fake_os::EndShortage();
  Add(16, 1, 1);
  EXPECT_EQ(Live(), (Bytes{{1, 1}}));
}

// ---- samples of the heap ----

CORE_TEST(Profile, ComesFromTheHeap) {
  SetOption(Option::kSampleInterval, 1);
  void* sample = Allocate(1024);
  Bytes live = Live();
  ASSERT_EQ(live.size(), 1U);
  EXPECT_EQ(live.begin()->second, 1024);
  Free(sample);
  EXPECT_EQ(Live(), Bytes());
  EXPECT_EQ(Allocated(), live);
}

CORE_TEST(Profile, CountsNothingForWhatIsNotResized) {
  SetOption(Option::kSampleInterval, 1);
  constexpr size_t kSize = size_t{20} << 20;
  void* sample = Allocate(kSize);
  const Bytes allocated = Allocated();
  fake_os::FailAny(1, fake_os::kForEver);
  EXPECT_EQ(Reallocate(sample, 50 * kSize), nullptr);
  EXPECT_EQ(Allocated(), allocated);
  EXPECT_EQ(Live(), allocated);
  fake_os::EndShortage();
  EXPECT_NE(sample = Reallocate(sample, 2 * kSize), nullptr);
  EXPECT_NE(Allocated(), allocated);
  Free(sample);
  EXPECT_EQ(Live(), Bytes());
}

CORE_TEST(Profile, IsWrittenToAFile) {
  SetOption(Option::kSampleInterval, 1);
  Allocate(1024);
  for (auto write :
       {&WriteProfile, &WriteGrowth, &WritePeak, &WriteLifetimes}) {
    ReportWriter writer("/profile");
    write(writer);
    EXPECT_EQ(writer.Finish(), 0);
  }
}

// ---- mappings ----

CORE_TEST(Mappings, AreReadAsTheKernelWritesThem) {
  fake_os::SetFile(
      "/proc/self/maps",
      "55d0c0000000-55d0c0002000 r--p 00000000 fe:01 1 /bin/a b\n"
      "55d0c0002000-55d0c0009000 r-xp 00002000 fe:01 1     /bin/a b\n"
      "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   "
      "[vsyscall]\n");
  Mappings mappings;
  Mapping mapping;
  std::string all;
  while (mappings.Next(&mapping)) {
    char line[200];
    snprintf(line, sizeof(line), "%lx %lx %lx %d '%s'\n",
             static_cast<unsigned long>(mapping.start),
             static_cast<unsigned long>(mapping.end),
             static_cast<unsigned long>(mapping.offset), mapping.is_executable,
             std::string(mapping.path, mapping.path_size).c_str());
    all += line;
  }
  EXPECT_EQ(all,
            "55d0c0000000 55d0c0002000 0 0 '/bin/a b'\n"
            "55d0c0002000 55d0c0009000 2000 1 '/bin/a b'\n"
            "7f0000000000 7f0000001000 0 1 ''\n"
            "ffffffffff600000 ffffffffff601000 0 0 '[vsyscall]'\n");
}

CORE_TEST(Mappings, MayBeUnreadable) {
  Mappings mappings;
  Mapping mapping;
  EXPECT_FALSE(mappings.Next(&mapping));
}

}  // namespace
}  // namespace memalloc
