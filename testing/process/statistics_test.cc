// The statistics against the kernel's own account: the parts of a snapshot sum
// to the resident memory that /proc/self/smaps shows for the heap.
//
// That account is read by plain system calls into a static array, so that
// nothing is allocated between the snapshot and it.

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "memalloc/memalloc.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"

namespace process {
namespace {

constexpr char kNotOnLibc[] = "it has no such statistics";

struct memalloc_statistics g_statistics;
char g_smaps[1 << 21];

const struct memalloc_statistics& Snapshot() {
  memalloc_get_statistics(&g_statistics, sizeof(g_statistics));
  return g_statistics;
}

void ReadSmaps() {
  const int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  size_t size = 0;
  ssize_t n;
  while ((n = read(fd, g_smaps + size, sizeof(g_smaps) - 1 - size)) > 0) {
    size += static_cast<size_t>(n);
  }
  close(fd);
  REQUIRE(size < sizeof(g_smaps) - 1);
  g_smaps[size] = '\0';
}

// Whether the mapping, without a file, is memalloc's.
bool IsOurs(uintptr_t start, uintptr_t end, const char* name) {
  if (strncmp(name, "[heap]", 6) == 0) return true;
  if (name[0] != '\n') return false;
  for (uintptr_t at = start; at < end; at += 64 * kKiB) {
    if (memalloc_owns(reinterpret_cast<void*>(at))) return true;
  }
  return false;
}

// Resident bytes of the heap's mappings, as the kernel counts them.
uint64_t KernelsAccount() {
  ReadSmaps();
  uint64_t sum = 0;
  bool is_ours = false;
  for (const char* line = g_smaps; *line != '\0';) {
    uint64_t start;
    uint64_t end;
    int name = 0;
    uint64_t kib;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s%*[ ]%n", &start,
               &end, &name) == 2) {
      // Without a name there is a blank or nothing before the line's end.
      is_ours =
          IsOurs(start, end, name != 0 ? line + name : strchr(line, '\n'));
    } else if (is_ours && sscanf(line, "Rss: %" SCNu64 " kB", &kib) == 1) {
      sum += kib * kKiB;
    }
    line = strchr(line, '\n') + 1;
  }
  return sum;
}

uint64_t Resident(const struct memalloc_statistics& s) {
  return s.live_cells.resident + s.live_large.resident + s.live_huge.resident +
         s.guarded.resident + s.profile.resident + s.bins.resident +
         s.magazines.resident + s.large_magazines.resident +
         s.travelling.resident + s.free_cells.resident +
         s.purged_cells.resident + s.uncarved.resident + s.free_runs.resident +
         s.huge_spare.resident + s.huge_cache.resident + s.tables.resident +
         s.thread_heaps.resident + s.address_map.resident;
}

// The address map stands beside other static data, in no mapping of the heap's.
void CheckSum(const char* when) {
  const struct memalloc_statistics& s = Snapshot();
  const uint64_t kernels = KernelsAccount();
  const uint64_t ours = s.total.resident - s.address_map.resident;
  Note("%s: %" PRIu64 " KiB resident, the kernel says %" PRIu64 " KiB", when,
       ours / kKiB, kernels / kKiB);
  REQUIRE(s.knows_residents == 1);
  REQUIRE(Resident(s) == s.total.resident);
  REQUIRE(ours <= kernels + kernels / 50);
  REQUIRE(kernels <= ours + ours / 50);
  REQUIRE(s.total.resident <= s.total.bytes);
}

void Fresh() {
  void* volatile first = malloc(1);
  CheckSum("fresh");
  free(first);
}

// Blocks of mixed sizes, `bytes` in all.
std::vector<Block> UseMuch(size_t bytes) {
  std::vector<Block> blocks;
  size_t sum = 0;
  for (uint64_t n = 0; sum < bytes; ++n) {
    const size_t most = n % 200 == 0 ? 2 * kMiB : n % 8 == 0 ? 40000 : 600;
    const size_t size = 1 + n * 7919 % most;
    blocks.push_back(MakeBlock(size, n));
    sum += size;
  }
  return blocks;
}

void HalfFreed() {
  std::vector<Block> blocks = UseMuch(500 * kMiB);
  const struct memalloc_statistics before = Snapshot();
  CheckSum("all in use");
  REQUIRE(before.live_cells.bytes + before.live_large.bytes >= 500 * kMiB);
  uint64_t random = 1;
  uint64_t freed = 0;
  uint64_t freed_bytes = 0;
  for (Block& block : blocks) {
    random = random * 6364136223846793005 + 1442695040888963407;
    if (random >> 63 == 0) continue;
    ++freed;
    freed_bytes += block.size;
    ReleaseBlock(&block);
  }
  const struct memalloc_statistics after = Snapshot();
  CheckSum("half freed");
  REQUIRE(after.frees - before.frees == freed);
  REQUIRE(after.allocations == before.allocations);
  const uint64_t live_before =
      before.live_cells.bytes + before.live_large.bytes;
  const uint64_t live_after = after.live_cells.bytes + after.live_large.bytes;
  REQUIRE(live_before - live_after >= freed_bytes);
  REQUIRE(live_before - live_after <= freed_bytes + freed_bytes / 5);
  malloc_trim(0);
  const struct memalloc_statistics trimmed = Snapshot();
  CheckSum("purged");
  REQUIRE(trimmed.total.resident < after.total.resident - freed_bytes / 2);
  REQUIRE(trimmed.purged_cells.bytes > 0);
  REQUIRE(trimmed.purged_bytes > after.purged_bytes);
  REQUIRE(trimmed.madvise_calls > after.madvise_calls);
  REQUIRE(trimmed.frees == after.frees);
}

void HugePartlyTouched() {
  std::vector<char*> blocks;
  for (size_t i = 1; i <= 4; ++i) {
    auto* block = static_cast<char*>(malloc(i * 30 * kMiB));
    REQUIRE(block != nullptr);
    memset(block, 1, i * 9 * kMiB);
    blocks.push_back(block);
  }
  const struct memalloc_statistics before = Snapshot();
  char* large = static_cast<char*>(malloc(6 * kMiB));
  memset(large, 1, kMiB);
  const struct memalloc_statistics s = Snapshot();
  CheckSum("partly touched");
  REQUIRE(s.huge_blocks == 4 && s.huge_allocations == 4);
  REQUIRE(s.live_huge.bytes == 300 * kMiB);
  REQUIRE(s.live_huge.resident >= 90 * kMiB);
  REQUIRE(s.live_huge.resident < 100 * kMiB);
  REQUIRE(s.large_blocks == before.large_blocks + 1);
  const uint64_t more = s.live_large.resident - before.live_large.resident;
  REQUIRE(more >= kMiB && more < 4 * kMiB);
  for (char* block : blocks) free(block);
  free(large);
  CheckSum("freed");
  REQUIRE(Snapshot().huge_frees == 4);
}

// Snapshots while threads work, and when they have ended.
void Threads() {
  std::atomic<bool> ends{false};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&ends, t] {
      for (uint64_t n = 0; !ends.load(); ++n) Exercise(t * 1000 + n, 2000);
    });
  }
  uint64_t allocations = 0;
  uint64_t frees = 0;
  for (int i = 0; i < 200; ++i) {
    const struct memalloc_statistics& s = Snapshot();
    REQUIRE(Resident(s) == s.total.resident);
    REQUIRE(s.allocations >= allocations && s.frees >= frees);
    REQUIRE(s.frees <= s.allocations);
    allocations = s.allocations;
    frees = s.frees;
  }
  ends = true;
  for (std::thread& thread : threads) thread.join();
  CheckSum("threads have ended");
  // In a child of a process with threads too.
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    CheckSum("in a child");
    _exit(0);
  }
  RequireExitsCleanly(child);
}

// A caller who knows less, and one who knows more.
void OtherVersions() {
  struct {
    struct memalloc_statistics known;
    uint64_t unknown[2];
  } newer;
  memset(&newer, 0xff, sizeof(newer));
  memalloc_get_statistics(&newer.known, sizeof(newer));
  REQUIRE(newer.known.total.bytes > 0);
  REQUIRE(newer.unknown[0] == 0 && newer.unknown[1] == 0);
  memset(&newer, 0xff, sizeof(newer));
  memalloc_get_statistics(&newer.known,
                          offsetof(struct memalloc_statistics, live_cells));
  REQUIRE(newer.known.total.bytes > 0);
  REQUIRE(newer.known.live_cells.bytes == UINT64_MAX);
}

void* Ask(void*) {
  REQUIRE(mallinfo2().arena > 0);
  return nullptr;
}

// The smallest that a thread may have.
void SmallStack() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  REQUIRE(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, &Ask, nullptr) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> scenarios = {
      {"Fresh", Fresh},
      {"HalfFreed", HalfFreed},
      {"HugePartlyTouched", HugePartlyTouched},
      {"Threads", Threads},
      {"OtherVersions", OtherVersions},
      {"SmallStack", SmallStack},
  };
  for (Scenario& scenario : scenarios) scenario.not_on_libc = kNotOnLibc;
  return scenarios;
}

}  // namespace process
