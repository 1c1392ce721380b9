// What the kernel may refuse: MADV_DONTNEED in locked memory, mappings beyond
// vm.max_map_count, and system calls that a seccomp filter forbids.
//
// In locked memory a purge fails, so "purged" must not be taken for "zero".
// Without mappings left, requests fail with ENOMEM and frees still work. Under
// a filter that allows brk, mmap, munmap, madvise and futex everything works;
// mremap is refused with EPERM there, everything else ends the process. No file
// descriptor is ever kept.

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "testing/contract/pattern.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"

namespace process {
namespace {

// The pages of a block, at most 1 MiB of them: RLIMIT_MEMLOCK is 8 MiB for an
// ordinary user.
struct Pages {
  explicit Pages(const void* block, size_t size) {
    const auto page = static_cast<uintptr_t>(getpagesize());
    const auto first = reinterpret_cast<uintptr_t>(block) / page * page;
    const auto last = reinterpret_cast<uintptr_t>(block) + size;
    start = reinterpret_cast<void*>(first);
    bytes = std::min(last - first, static_cast<uintptr_t>(kMiB));
  }

  void* start;
  size_t bytes;
};

void LockedMemoryIsStillZeroed() {
  for (int round = 0; round < 3; ++round) {
    for (size_t size : {size_t{100}, size_t{5000}, 64 * kKiB, 200 * kKiB,
                        2 * kMiB, 12 * kMiB}) {
      std::vector<void*> blocks(kMiB / size + 1);
      std::vector<Pages> locked;
      for (void*& block : blocks) {
        block = calloc(1, size);
        REQUIRE(block != nullptr);
        REQUIRE(contract::FindNonZero(block, size) == size);
        memset(block, 0xa5, malloc_usable_size(block));
        locked.emplace_back(block, size);
        if (mlock(locked.back().start, locked.back().bytes) != 0) {
          Skip("RLIMIT_MEMLOCK is too low\n");
        }
      }
      for (void* block : blocks) {
        errno = EILSEQ;
        free(block);
        REQUIRE(errno == EILSEQ);
      }
      malloc_trim(0);
      for (void*& block : blocks) {
        block = calloc(1, size);
        REQUIRE(block != nullptr);
        REQUIRE(contract::FindNonZero(block, size) == size);
      }
      for (void* block : blocks) free(block);
      for (const Pages& pages : locked) munlock(pages.start, pages.bytes);
    }
    Exercise(static_cast<uint64_t>(round), 500);
  }
}

// All of the process, what it will map as well: no page can be given back.
void AllMemoryIsLocked() {
  // A limit shows only when more is mapped than it allows.
  void* probe = MAP_FAILED;
  if (mlockall(MCL_CURRENT | MCL_FUTURE) == 0) {
    probe = mmap(nullptr, 64 * kMiB, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (probe == MAP_FAILED) Skip("RLIMIT_MEMLOCK is too low\n");
  REQUIRE(munmap(probe, 64 * kMiB) == 0);
  for (size_t size :
       {size_t{100}, size_t{5000}, 200 * kKiB, 2 * kMiB, 12 * kMiB}) {
    for (int round = 0; round < 3; ++round) {
      std::vector<void*> blocks(2 * kMiB / size + 2);
      for (void*& block : blocks) {
        block = calloc(1, size);
        REQUIRE(block != nullptr);
        REQUIRE(contract::FindNonZero(block, size) == size);
        memset(block, 0xa5, malloc_usable_size(block));
      }
      for (void* block : blocks) {
        errno = EILSEQ;
        free(block);
        REQUIRE(errno == EILSEQ);
      }
      malloc_trim(0);
    }
  }
  std::thread([] { Exercise(3, 1000); }).join();
  Exercise(4, 1000);
  REQUIRE(munlockall() == 0);
}

size_t MaxMapCount() {
  FILE* file = fopen("/proc/sys/vm/max_map_count", "r");
  size_t count = 0;
  REQUIRE(file != nullptr);
  REQUIRE(fscanf(file, "%zu", &count) == 1);
  fclose(file);
  return count;
}

void NoMappingsLeft() {
  const size_t max = MaxMapCount();
  if (max > 300000) Skip("vm.max_map_count is too large to be reached\n");
  const auto page = static_cast<size_t>(getpagesize());
  std::vector<Block> huge(30);
  for (size_t i = 0; i < huge.size(); ++i) huge[i] = MakeBlock(9 * kMiB, i);
  std::vector<Block> small(20000);
  for (size_t i = 0; i < small.size(); ++i) small[i] = MakeAnyBlock(i);

  // One mapping whose every other page differs counts as very many.
  const size_t size = (max + 10) * page;
  auto* area = static_cast<char*>(
      mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(area != MAP_FAILED);
  size_t at = 0;
  while (at < size && mprotect(area + at, page, PROT_NONE) == 0) at += 2 * page;
  REQUIRE(at < size && errno == ENOMEM);
  // The last few: single pages that alternate, so that they do not merge.
  while (mmap(nullptr, page, at++ % 2 == 0 ? PROT_READ : PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
  }
  REQUIRE(errno == ENOMEM);

  // Neighbouring mappings merge, so some requests may still succeed.
  size_t refused = 0;
  for (size_t i = 0; i < 100; ++i) {
    for (size_t bytes : {20 * kMiB, 9 * kMiB + i * page}) {
      errno = 0;
      Block block = MakeBlock(bytes, i);
      if (block.pointer == nullptr) {
        REQUIRE(errno == ENOMEM);
        ++refused;
      }
      ReleaseBlock(&block);
    }
    errno = 0;
    void* aligned = memalign(64 * kMiB, 20 * kMiB);
    if (aligned == nullptr) REQUIRE(errno == ENOMEM);
    free(aligned);
  }
  Note("%zu of 200 huge requests refused", refused);
  for (size_t i = 0; i < huge.size(); ++i) {
    errno = 0;
    void* grown = realloc(huge[i].pointer, 30 * kMiB);
    if (grown == nullptr) {
      REQUIRE(errno == ENOMEM);
      CheckBlock(huge[i]);
    } else {
      REQUIRE(contract::FindDamage(grown, huge[i].size, huge[i].size,
                                   huge[i].seed) == huge[i].size);
      free(grown);
      huge[i] = Block{};
    }
  }
  for (size_t i = 0; i < small.size(); i += 2) ReleaseBlock(&small[i]);
  for (size_t i = 0; i < huge.size(); i += 2) ReleaseBlock(&huge[i]);
  malloc_trim(0);
  for (size_t i = 0; i < small.size(); i += 2) {
    small[i] = MakeBlock(100, i);
    REQUIRE(small[i].pointer != nullptr);
  }
  REQUIRE(munmap(area, size) == 0);
  Exercise(1, 2000);
  for (Block& block : small) ReleaseBlock(&block);
  for (Block& block : huge) ReleaseBlock(&block);
}

// Allows `allowed` and what the process needs to end; EPERM for mremap.
void ForbidSystemCalls(const std::vector<uint32_t>& allowed) {
  std::vector<sock_filter> program;
  program.push_back(
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
  for (uint32_t number : allowed) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mremap, 0, 1));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  sock_fprog filter = {static_cast<unsigned short>(program.size()),
                       program.data()};
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
              &filter) != 0) {
    Skip("seccomp filters are not available\n");
  }
}

// Everything at once, on whatever system calls are left.
void UseEverything(uint64_t seed) {
  Exercise(seed, 3000);
  std::vector<Block> blocks(3000);
  for (size_t i = 0; i < blocks.size(); ++i) {
    blocks[i] = MakeBlock(1 + contract::Mix(seed + i) % (40 * kKiB), i);
  }
  Block large = MakeBlock(kMiB, 1);
  for (size_t size : {9 * kMiB, 40 * kMiB, 12 * kMiB, kMiB, 100 * kKiB}) {
    ResizeBlock(&large, size);
  }
  ReleaseBlock(&large);
  for (size_t alignment = 16; alignment <= 256 * kMiB; alignment *= 4) {
    void* aligned = memalign(alignment, 100 * kKiB);
    REQUIRE(aligned != nullptr);
    free(aligned);
  }
  for (Block& block : blocks) ReleaseBlock(&block);
  malloc_trim(0);
}

void FewSystemCallsSuffice() {
  // The threads exist before the filter; one has not used malloc before.
  static std::atomic<bool> filtered{false};
  // Starting takes system calls of its own, which the filter must not meet.
  static std::atomic<int> started{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([t] {
      if (t > 0) Exercise(t, 100);
      ++started;
      while (!filtered) sched_yield();
      UseEverything(t);
    });
  }
  Exercise(9, 100);
  while (started < 3) sched_yield();
  ForbidSystemCalls({__NR_brk, __NR_mmap, __NR_munmap, __NR_madvise, __NR_futex,
                     __NR_sched_yield, __NR_write, __NR_exit, __NR_exit_group,
                     __NR_rt_sigprocmask});
  filtered = true;
  UseEverything(10);
  for (std::thread& thread : threads) thread.join();
  UseEverything(11);
}

size_t OpenFileDescriptors() {
  DIR* directory = opendir("/proc/self/fd");
  REQUIRE(directory != nullptr);
  size_t count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

// The test may have been started with any; before the first allocation, which
// must not keep one either.
void Preinit(int argc, char** argv, char**) {
  const std::string_view scenario = ScenarioOf(argc, argv);
  if (scenario == "NoFileDescriptorIsKept") close_range(3, ~0u, 0);
}

__attribute__((section(".preinit_array"),
               used)) void (*const g_preinit)(int, char**, char**) = Preinit;

// Descriptors of a program are numbered from the lowest free one: a kept
// descriptor would also break programs that close all of them.
void NoFileDescriptorIsKept() {
  const size_t before = OpenFileDescriptors();
  for (uint64_t t = 0; t < 3; ++t) {
    std::thread([t] { UseEverything(t); }).join();
  }
  mallinfo2();
  REQUIRE(OpenFileDescriptors() == before);
  // Three standard ones, the directory itself, "." and "..".
  REQUIRE(before == 6);
  const int next = dup(STDERR_FILENO);
  REQUIRE(next == 3);
  close(next);
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> scenarios = {
      {"LockedMemoryIsStillZeroed", LockedMemoryIsStillZeroed},
      {"AllMemoryIsLocked", AllMemoryIsLocked},
      {"NoMappingsLeft", NoMappingsLeft},
      {"FewSystemCallsSuffice", FewSystemCallsSuffice},
      {"NoFileDescriptorIsKept", NoFileDescriptorIsKept},
  };
  scenarios[3].not_on_libc = "its threads' arenas grow by mprotect";
  return scenarios;
}

}  // namespace process
