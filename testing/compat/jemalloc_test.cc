// jemalloc's allocating calls and mallctl's manners, linked with memalloc.

#include <errno.h>
#include <gtest/gtest.h>
#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "memalloc/memalloc.h"

namespace {

constexpr size_t kSizes[] = {
    1,    8,     16,    17,    100,    256,     257,     1000,    1024,    1025,
    4096, 10000, 65536, 65537, 200000, 1 << 20, 5 << 20, 8 << 20, 20000000};

bool IsZero(const void* pointer, size_t from, size_t to) {
  const char* bytes = static_cast<const char*>(pointer);
  return std::all_of(bytes + from, bytes + to, [](char c) { return c == 0; });
}

bool IsAligned(const void* pointer, size_t alignment) {
  return reinterpret_cast<uintptr_t>(pointer) % alignment == 0;
}

// A block that the compiler cannot leave out.
void* Malloc(size_t size) {
  void* pointer = malloc(size);
  __asm__ volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

// Leaves dirty memory of that size behind.
void LeaveDirt(size_t size) { free(memset(Malloc(size), 0xdd, size)); }

template <typename Value>
Value Read(const std::string& name) {
  Value value = {};
  size_t size = sizeof(value);
  EXPECT_EQ(mallctl(name.c_str(), &value, &size, nullptr, 0), 0) << name;
  EXPECT_EQ(size, sizeof(value)) << name;
  return value;
}

template <typename Value>
int Write(const char* name, Value value) {
  return mallctl(name, nullptr, nullptr, &value, sizeof(value));
}

void NewEpoch() { ASSERT_EQ(Write<uint64_t>("epoch", 1), 0); }

// ---- allocation ----

TEST(Mallocx, IsOursAndAlignedAsAsked) {
  for (size_t size : kSizes) {
    for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
      const int flags = MALLOCX_ALIGN(alignment);
      void* pointer = mallocx(size, flags);
      ASSERT_NE(pointer, nullptr);
      EXPECT_TRUE(memalloc_owns(pointer));
      EXPECT_TRUE(IsAligned(pointer, std::max<size_t>(alignment, 16)));
      EXPECT_GE(sallocx(pointer, flags), size);
      EXPECT_EQ(sallocx(pointer, flags), nallocx(size, flags))
          << size << " at " << alignment;
      sdallocx(pointer, size, flags);
    }
  }
}

TEST(Mallocx, ZeroesDirtyMemory) {
  for (size_t size : kSizes) {
    for (int flags : {0, MALLOCX_ALIGN(64), MALLOCX_ALIGN(4096)}) {
      LeaveDirt(size);
      void* pointer = mallocx(size, flags | MALLOCX_ZERO);
      ASSERT_NE(pointer, nullptr);
      EXPECT_TRUE(IsZero(pointer, 0, sallocx(pointer, flags))) << size;
      dallocx(pointer, flags);
    }
  }
}

TEST(Mallocx, IgnoresCachesAndArenas) {
  void* pointer = mallocx(100, MALLOCX_TCACHE_NONE | MALLOCX_ARENA(3));
  ASSERT_NE(pointer, nullptr);
  dallocx(pointer, MALLOCX_TCACHE_NONE);
  pointer = mallocx(100, MALLOCX_ALIGN(512) | MALLOCX_TCACHE(2));
  EXPECT_TRUE(IsAligned(pointer, 512));
  dallocx(pointer, 0);
}

TEST(Mallocx, FailsWithEnomem) {
  errno = 0;
  EXPECT_EQ(mallocx(SIZE_MAX / 4, 0), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(nallocx(SIZE_MAX, 0), 0U);
}

TEST(Rallocx, KeepsContentsAndClearsTheRest) {
  for (size_t from : kSizes) {
    for (size_t to : kSizes) {
      if (from + to > 6 << 20) continue;  // takes long
      for (int flags : {0, MALLOCX_ALIGN(1024)}) {
        if (to > from) LeaveDirt(to);
        void* old = mallocx(from, flags);
        const size_t usable = sallocx(old, flags);
        memset(old, 0x5a, usable);
        auto* bytes =
            static_cast<unsigned char*>(rallocx(old, to, flags | MALLOCX_ZERO));
        ASSERT_NE(bytes, nullptr);
        EXPECT_GE(sallocx(bytes, flags), to);
        if (flags != 0) {
          EXPECT_TRUE(IsAligned(bytes, 1024));
        }
        const size_t kept = std::min(usable, to);
        EXPECT_TRUE(std::all_of(bytes, bytes + kept,
                                [](unsigned char c) { return c == 0x5a; }))
            << from << " to " << to;
        EXPECT_TRUE(IsZero(bytes, kept, sallocx(bytes, flags)))
            << from << " to " << to;
        dallocx(bytes, flags);
      }
    }
  }
}

TEST(Rallocx, FailureKeepsTheBlock) {
  auto* pointer = static_cast<char*>(mallocx(100, 0));
  pointer[99] = 'x';
  EXPECT_EQ(rallocx(pointer, SIZE_MAX / 4, 0), nullptr);
  EXPECT_EQ(rallocx(pointer, SIZE_MAX / 4, MALLOCX_ALIGN(64)), nullptr);
  EXPECT_EQ(pointer[99], 'x');
  dallocx(pointer, 0);
}

TEST(Xallocx, SaysTheSizeThatTheBlockHas) {
  void* pointer = mallocx(1000, 0);
  EXPECT_EQ(xallocx(pointer, 5000, 100, 0), nallocx(1000, 0));
  EXPECT_EQ(xallocx(pointer, 10, 0, 0), nallocx(1000, 0));
  sdallocx(pointer, nallocx(1000, 0), 0);
}

TEST(SdallocxDeathTest, ComparesTheSize) {
  void* pointer = mallocx(100, 0);
  EXPECT_DEATH(sdallocx(pointer, 1000, 0), "size-mismatch");
  pointer = mallocx(100, MALLOCX_ALIGN(64));
  EXPECT_DEATH(
      sdallocx(static_cast<char*>(pointer) + 16, 100, MALLOCX_ALIGN(64)),
      "size-mismatch");
}

// ---- mallctl's manners ----

TEST(Mallctl, UnknownNamesAreEnoent) {
  for (const char* name :
       {"", "no", "stats", "stats.", "stats.allocatedx", "stats.allocated.x",
        ".epoch", "arena.0", "arena.2.purge", "arena.x.purge", "arena..purge",
        "arena.99999999999999999999999.purge", "arenas.bin.80.size",
        "arenas.bin.-1.size", "stats.arenas.0.bins.80.curregs",
        "stats.arenas.7.pactive", "thread.allocatedp", "arenas.create"}) {
    EXPECT_EQ(mallctl(name, nullptr, nullptr, nullptr, 0), ENOENT) << name;
    size_t mib[7];
    size_t length = 7;
    EXPECT_EQ(mallctlnametomib(name, mib, &length), ENOENT) << name;
  }
}

TEST(Mallctl, WrongSizesAreEinval) {
  uint64_t value = 0;
  size_t size = sizeof(value);
  EXPECT_EQ(mallctl("arenas.narenas", &value, &size, nullptr, 0), EINVAL);
  EXPECT_EQ(size, sizeof(unsigned));
  EXPECT_EQ(value, 1U);
  size = 2;
  unsigned short part = 0;
  EXPECT_EQ(mallctl("arenas.nbins", &part, &size, nullptr, 0), EINVAL);
  EXPECT_EQ(size, 2U);
  EXPECT_EQ(part, MEMALLOC_SIZE_CLASSES);
  const uint64_t epoch = Read<uint64_t>("epoch");
  EXPECT_EQ(Write<unsigned>("epoch", 1), EINVAL);
  EXPECT_EQ(Read<uint64_t>("epoch"), epoch);
}

TEST(Mallctl, WhatCannotBeReadOrWrittenIsEperm) {
  EXPECT_EQ(Write<size_t>("stats.allocated", 1), EPERM);
  EXPECT_EQ(Write<unsigned>("opt.narenas", 1), EPERM);
  EXPECT_EQ(mallctl("stats.allocated", nullptr, nullptr, nullptr, 8), EPERM);
  uint64_t value;
  size_t size = sizeof(value);
  for (const char* name : {"arena.0.purge", "arena.4096.decay",
                           "thread.tcache.flush", "prof.dump"}) {
    EXPECT_EQ(mallctl(name, &value, &size, nullptr, 0), EPERM) << name;
  }
  EXPECT_EQ(Write<uint64_t>("arena.0.purge", 1), EPERM);
}

TEST(Mallctl, NeitherReadingNorWritingIsFine) {
  EXPECT_EQ(mallctl("stats.allocated", nullptr, nullptr, nullptr, 0), 0);
  // Without a size nothing is read, as jemalloc has it.
  uint64_t value = 77;
  EXPECT_EQ(mallctl("epoch", &value, nullptr, nullptr, 0), 0);
  EXPECT_EQ(value, 77U);
}

TEST(Mallctl, LeavesErrnoAlone) {
  errno = 77;
  NewEpoch();
  Read<size_t>("stats.allocated");
  EXPECT_EQ(Write<ssize_t>("arenas.dirty_decay_ms", -2), EFAULT);
  const char* path = "/no/such/folder/x";
  EXPECT_EQ(Write("prof.dump", path), EFAULT);
  malloc_stats_print([](void*, const char*) {}, nullptr, nullptr);
  EXPECT_EQ(errno, 77);
}

TEST(Mib, HasAWordForEachPart) {
  size_t mib[7];
  size_t length = 7;
  ASSERT_EQ(mallctlnametomib("arenas.bin.0.size", mib, &length), 0);
  ASSERT_EQ(length, 4U);
  size_t last = 0;
  for (size_t i = 0; i < MEMALLOC_SIZE_CLASSES; ++i) {
    mib[2] = i;
    size_t cell_size;
    size_t size = sizeof(cell_size);
    ASSERT_EQ(mallctlbymib(mib, length, &cell_size, &size, nullptr, 0), 0);
    EXPECT_GT(cell_size, last);
    last = cell_size;
  }
  EXPECT_EQ(last, 65536U);
  mib[2] = MEMALLOC_SIZE_CLASSES;
  EXPECT_EQ(mallctlbymib(mib, length, nullptr, nullptr, nullptr, 0), ENOENT);
  mib[2] = 0;
  EXPECT_EQ(mallctlbymib(mib, length - 1, nullptr, nullptr, nullptr, 0),
            ENOENT);
  EXPECT_EQ(mallctlbymib(mib, length + 1, nullptr, nullptr, nullptr, 0),
            ENOENT);
  EXPECT_EQ(mallctlbymib(mib, 0, nullptr, nullptr, nullptr, 0), ENOENT);
  mib[0] = 100000;
  EXPECT_EQ(mallctlbymib(mib, length, nullptr, nullptr, nullptr, 0), ENOENT);
  length = 3;
  EXPECT_EQ(mallctlnametomib("arenas.bin.0.size", mib, &length), EINVAL);
}

TEST(Mib, WritesToo) {
  size_t mib[3];
  size_t length = 3;
  ASSERT_EQ(mallctlnametomib("arena.0.dirty_decay_ms", mib, &length), 0);
  mib[1] = MALLCTL_ARENAS_ALL;
  ssize_t wanted = 1234;
  ssize_t before = 0;
  size_t size = sizeof(before);
  ASSERT_EQ(mallctlbymib(mib, length, &before, &size, &wanted, sizeof(wanted)),
            0);
  EXPECT_EQ(before, 1000);
  char text[32];
  memalloc_get_option("purge_delay", text, sizeof(text));
  EXPECT_STREQ(text, "1234ms");
  EXPECT_EQ(Write("arenas.dirty_decay_ms", ssize_t{-1}), 0);
  EXPECT_EQ(Read<ssize_t>("opt.dirty_decay_ms"), -1);
  EXPECT_EQ(Write("arenas.dirty_decay_ms", before), 0);
}

// ---- what is answered ----

TEST(Stats, FollowTheProgramFromEpochToEpoch) {
  NewEpoch();
  const uint64_t epoch = Read<uint64_t>("epoch");
  const auto before = Read<size_t>("stats.allocated");
  constexpr size_t kBlocks = 1000;
  constexpr size_t kSize = 1000;
  std::vector<void*> blocks(kBlocks);
  const auto large_before = Read<size_t>("stats.arenas.0.large.allocated");
  for (void*& block : blocks) block = Malloc(kSize);
  void* large = Malloc(1 << 20);
  EXPECT_EQ(Read<size_t>("stats.allocated"), before);
  NewEpoch();
  EXPECT_EQ(Read<uint64_t>("epoch"), epoch + 1);
  const auto after = Read<size_t>("stats.allocated");
  EXPECT_GE(after, before + kBlocks * kSize + (1 << 20));
  EXPECT_GE(Read<size_t>("stats.arenas.4096.large.allocated"),
            large_before + (1 << 20));
  EXPECT_EQ(after, Read<size_t>("stats.arenas.0.large.allocated") +
                       Read<size_t>("stats.arenas.0.small.allocated"));
  const auto active = Read<size_t>("stats.active");
  const auto resident = Read<size_t>("stats.resident");
  EXPECT_GE(active, after);
  EXPECT_GE(resident, active);
  EXPECT_GE(Read<size_t>("stats.mapped"), active);
  EXPECT_LE(Read<size_t>("stats.arenas.0.pactive"),
            active / Read<size_t>("arenas.page") + 1);
  EXPECT_GT(Read<size_t>("stats.metadata"), 0U);
  for (void* block : blocks) free(block);
  free(large);
  NewEpoch();
  EXPECT_LE(Read<size_t>("stats.allocated"), after - kBlocks * kSize);
}

// So that a program may ask often.
TEST(Stats, OfALargeHeapServeForAWhile) {
  constexpr size_t kGiB = size_t{1} << 30;
  constexpr auto kWhile = std::chrono::seconds(2);
  void* large = Malloc(4 * kGiB);
  if (large == nullptr) GTEST_SKIP() << "no 4 GiB of address space";
  // Also what the hardened build holds back, which counts as allocated.
  EXPECT_EQ(mallctl("arena.0.purge", nullptr, nullptr, nullptr, 0), 0);
  NewEpoch();
  const auto start = std::chrono::steady_clock::now();
  void* more = Malloc(1 << 20);
  const auto before = Read<size_t>("stats.allocated");
  EXPECT_GE(before, 4 * kGiB);
  NewEpoch();
  const auto soon = Read<size_t>("stats.allocated");
  if (std::chrono::steady_clock::now() - start < kWhile) {
    EXPECT_EQ(soon, before);
  }
  EXPECT_EQ(mallctl("arena.0.purge", nullptr, nullptr, nullptr, 0), 0);
  NewEpoch();
  EXPECT_GE(Read<size_t>("stats.allocated"), before + (1 << 20));
  free(more);
  free(large);
  EXPECT_EQ(mallctl("arena.0.purge", nullptr, nullptr, nullptr, 0), 0);
  NewEpoch();
}

TEST(Stats, BinsCountLiveCells) {
  size_t bin = 0;
  while (Read<size_t>("arenas.bin." + std::to_string(bin) + ".size") != 4096) {
    ++bin;
  }
  const std::string name = "stats.arenas.0.bins." + std::to_string(bin);
  NewEpoch();
  const auto before = Read<size_t>(name + ".curregs");
  std::vector<void*> blocks(100);
  for (void*& block : blocks) block = Malloc(4000);
  NewEpoch();
  const auto now = Read<size_t>(name + ".curregs");
  EXPECT_GE(now, before + 100);
  const auto cells =
      Read<unsigned>("arenas.bin." + std::to_string(bin) + ".nregs");
  EXPECT_EQ(cells, 16U);
  EXPECT_EQ(Read<size_t>("arenas.bin." + std::to_string(bin) + ".slab_size"),
            size_t{65536});
  EXPECT_GE(Read<size_t>(name + ".curslabs") * cells, now);
  EXPECT_GE(Read<uint64_t>(name + ".nmalloc"),
            Read<uint64_t>(name + ".ndalloc") + 100);
  for (void* block : blocks) free(block);
}

// A block of the size that nregs and slab_size say.
TEST(Stats, BlocksAreAsLargeAsTheyAre) {
  std::vector<void*> blocks;
  for (size_t bin = 0; bin < MEMALLOC_SIZE_CLASSES; ++bin) {
    const std::string name = "arenas.bin." + std::to_string(bin);
    blocks.push_back(Malloc(Read<size_t>(name + ".size") - 8));
  }
  struct memalloc_statistics statistics;
  memalloc_get_statistics(&statistics, sizeof(statistics));
  for (size_t bin = 0; bin < MEMALLOC_SIZE_CLASSES; ++bin) {
    const std::string name = "arenas.bin." + std::to_string(bin);
    const memalloc_class_statistics& row = statistics.classes[bin];
    // The hardened build has no cells so small.
    if (bin == 0 && row.blocks == 0) continue;
    ASSERT_GT(row.blocks, 0U) << name;
    const uint64_t cells = row.live + row.at_hand + row.travelling + row.free +
                           row.purged + row.uncarved;
    EXPECT_EQ(Read<unsigned>(name + ".nregs"), cells / row.blocks) << name;
    EXPECT_EQ(Read<size_t>(name + ".slab_size"), row.memory.bytes / row.blocks)
        << name;
  }
  for (void* block : blocks) free(block);
}

TEST(Purge, GivesMemoryBack) {
  ASSERT_EQ(Write<ssize_t>("arenas.dirty_decay_ms", -1), 0);
  std::vector<void*> blocks(200);
  for (void*& block : blocks) block = memset(Malloc(100000), 1, 100000);
  for (void* block : blocks) free(block);
  NewEpoch();
  const auto before = Read<size_t>("stats.resident");
  const auto purged = Read<uint64_t>("stats.arenas.0.dirty_purged");
  EXPECT_GT(Read<size_t>("stats.arenas.0.pdirty"), 1000U);
  // As redis says it: the number of arenas stands for all of them.
  EXPECT_EQ(mallctl("arena.1.purge", nullptr, nullptr, nullptr, 0), 0);
  NewEpoch();
  EXPECT_LT(Read<size_t>("stats.resident"), before - 10000000);
  EXPECT_GT(Read<uint64_t>("stats.arenas.0.dirty_purged"), purged);
  EXPECT_EQ(Write<ssize_t>("arenas.dirty_decay_ms", 1000), 0);
}

TEST(BackgroundThread, StartsAndEnds) {
  bool was_on = true;
  size_t size = sizeof(was_on);
  bool on = true;
  ASSERT_EQ(mallctl("background_thread", &was_on, &size, &on, sizeof(on)), 0);
  EXPECT_FALSE(was_on);
  EXPECT_TRUE(Read<bool>("background_thread"));
  EXPECT_EQ(Read<size_t>("stats.background_thread.num_threads"), 1U);
  EXPECT_EQ(Write("background_thread", false), 0);
  EXPECT_FALSE(Read<bool>("background_thread"));
  EXPECT_EQ(Write<size_t>("max_background_threads", 4), 0);
}

TEST(Words, AreText) {
  EXPECT_STREQ(Read<const char*>("version"), memalloc_version());
  EXPECT_STREQ(Read<const char*>("opt.dss"), "primary");
  EXPECT_STREQ(Read<const char*>("opt.thp"), "default");
  memalloc_set_option("huge_pages", "never");
  EXPECT_STREQ(Read<const char*>("opt.thp"), "never");
  memalloc_set_option("huge_pages", "default");
}

TEST(Profile, IsDumpedOnDemand) {
  EXPECT_TRUE(Read<bool>("opt.prof"));
  EXPECT_FALSE(Read<bool>("prof.active"));
  ASSERT_EQ(Write("prof.active", true), 0);
  EXPECT_TRUE(Read<bool>("prof.active"));
  EXPECT_EQ(Read<size_t>("prof.lg_sample"), 19U);
  EXPECT_EQ(Write<size_t>("prof.reset", 15), 0);
  EXPECT_EQ(Read<size_t>("prof.lg_sample"), 15U);
  const std::string path = testing::TempDir() + "/profile-100%p.heap";
  const char* name = path.c_str();
  ASSERT_EQ(Write("prof.dump", name), 0);
  FILE* file = fopen(name, "rb");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(fgetc(file), 0x1f);  // gzip
  fclose(file);
  unlink(name);
  ASSERT_EQ(chdir(testing::TempDir().c_str()), 0);
  ASSERT_EQ(mallctl("prof.dump", nullptr, nullptr, nullptr, 0), 0);
  const std::string by_itself =
      "memalloc." + std::to_string(getpid()) + ".0.m0.heap";
  EXPECT_EQ(unlink(by_itself.c_str()), 0) << by_itself;
  EXPECT_EQ(Write("prof.active", false), 0);
}

TEST(Profile, KeepsItsIntervalWhileItIsOff) {
  memalloc_set_option("sample_interval", "64K");
  EXPECT_EQ(Write("prof.active", false), 0);
  EXPECT_EQ(Write("prof.active", true), 0);
  EXPECT_EQ(Read<size_t>("prof.lg_sample"), 16U);
  EXPECT_EQ(Write("prof.active", false), 0);
  EXPECT_EQ(Write<size_t>("prof.reset", 18), 0);
  EXPECT_EQ(Write<size_t>("prof.reset", 47), EFAULT);
  EXPECT_FALSE(Read<bool>("prof.active"));
  EXPECT_EQ(Write("prof.active", true), 0);
  EXPECT_EQ(Read<size_t>("prof.lg_sample"), 18U);
  EXPECT_EQ(Write("prof.active", false), 0);
}

TEST(StatsPrint, GoesToTheCallback) {
  const auto print = [](const char* options) {
    std::string text;
    malloc_stats_print(
        [](void* to, const char* piece) {
          static_cast<std::string*>(to)->append(piece);
        },
        &text, options);
    return text;
  };
  const std::string text = print(nullptr);
  EXPECT_EQ(text.rfind("memalloc: ", 0), 0U) << text;
  EXPECT_NE(text.find("\nGiven back"), std::string::npos) << text;
  EXPECT_EQ(print("mdax").rfind("memalloc: ", 0), 0U);
  const std::string json = print("Jmd");
  EXPECT_EQ(json.rfind("{", 0), 0U) << json;
  EXPECT_EQ(json.substr(json.size() - 3), "]}\n") << json;
}

// A child must not find a lock held by a thread that it has not.
TEST(Fork, ChildMayAskWhileOthersDo) {
  std::atomic<bool> ends{false};
  std::thread other([&ends] {
    while (!ends.load()) NewEpoch();
  });
  for (int i = 0; i < 100; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      _exit(Write<uint64_t>("epoch", 1));
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  ends.store(true);
  other.join();
}

}  // namespace
