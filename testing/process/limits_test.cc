// Limits on memory: RLIMIT_DATA, which stops the break and private mappings
// alike, RLIMIT_AS, and the kernel's refusal of one request above all memory.
//
// At a limit every entry gives NULL with ENOMEM, what is allocated keeps its
// contents, frees make room again for every kind of block, and raising the
// limit helps at once. Blocks are linked through themselves, so that the test
// needs no memory of its own while there is none.

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <new>
#include <thread>
#include <vector>

#include "testing/contract/pattern.h"
#include "testing/contract/process_memory.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"

namespace process {
namespace {

constexpr size_t kHeadroom = 64 * kMiB;

// A block that links to the next; the rest of it holds a pattern.
struct Node {
  Node* next;
  size_t size;
};

class List {
 public:
  // Allocates nodes of `size` until malloc fails, which must be with ENOMEM.
  size_t FillUntilNull(size_t size) {
    size_t count = 0;
    while (true) {
      errno = 0;
      void* block = malloc(size);
      if (block == nullptr) break;
      auto* node = new (block) Node{first_, size};
      contract::FillPattern(node + 1, size - sizeof(Node), size);
      first_ = node;
      ++count;
    }
    REQUIRE(errno == ENOMEM);
    return count;
  }

  void Check() const {
    for (const Node* node = first_; node != nullptr; node = node->next) {
      CheckNode(node);
    }
  }

  Node* first() const { return first_; }

  // Frees every `step`-th node, from the last allocated on; 1 frees all.
  size_t Release(size_t step) {
    size_t freed = 0;
    size_t index = 0;
    for (Node** link = &first_; *link != nullptr;) {
      Node* node = *link;
      CheckNode(node);
      if (index++ % step != 0) {
        link = &node->next;
        continue;
      }
      *link = node->next;
      errno = EILSEQ;
      free(node);
      REQUIRE(errno == EILSEQ);
      ++freed;
    }
    return freed;
  }

 private:
  static void CheckNode(const Node* node) {
    const size_t size = node->size - sizeof(Node);
    REQUIRE(contract::FindDamage(node + 1, size, size, node->size) == size);
  }

  Node* first_ = nullptr;
};

struct Limit {
  int resource;
  size_t (*in_use)();
};

constexpr Limit kData = {RLIMIT_DATA, contract::DataBytes};
constexpr Limit kAddressSpace = {RLIMIT_AS, contract::AddressSpaceBytes};

void SetLimit(const Limit& limit, size_t bytes) {
  rlimit value;
  REQUIRE(getrlimit(limit.resource, &value) == 0);
  value.rlim_cur = bytes;
  REQUIRE(setrlimit(limit.resource, &value) == 0);
}

// With no room left, no entry may claim there is.
void EveryEntryFails(Node* node) {
  constexpr size_t kSize = 2 * kHeadroom;
  auto fails = [](void* result) {
    return result == nullptr && errno == ENOMEM;
  };
  errno = 0;
  REQUIRE(fails(malloc(kSize)));
  errno = 0;
  REQUIRE(fails(calloc(kSize / 16, 16)));
  errno = 0;
  REQUIRE(fails(realloc(nullptr, kSize)));
  errno = 0;
  REQUIRE(fails(realloc(node, kSize)));
  errno = 0;
  REQUIRE(fails(reallocarray(node, kSize / 8, 8)));
  errno = 0;
  REQUIRE(fails(aligned_alloc(4096, kSize)));
  errno = 0;
  REQUIRE(fails(memalign(64, kSize)));
  errno = 0;
  REQUIRE(fails(valloc(kSize)));
  errno = 0;
  REQUIRE(fails(pvalloc(kSize)));
  void* pointer = node;
  REQUIRE(posix_memalign(&pointer, 64, kSize) == ENOMEM);
  REQUIRE(pointer == node);
  REQUIRE(::operator new(kSize, std::nothrow) == nullptr);
  REQUIRE(::operator new (kSize, std::align_val_t{64}, std::nothrow) ==
          nullptr);
  bool thrown = false;
  try {
    ::operator delete(::operator new(kSize));
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  REQUIRE(thrown);
}

void ExhaustAndRecover(const Limit& limit) {
  Exercise(1, 1000);
  for (size_t size : {size_t{48}, size_t{3000}, 20 * kKiB, 100 * kKiB, 3 * kMiB,
                      20 * kMiB, size_t{48}}) {
    SetLimit(limit, limit.in_use() + kHeadroom);
    List list;
    const size_t first = list.FillUntilNull(size);
    EveryEntryFails(list.first());
    list.Check();
    // Some frees make room for at least as many.
    const size_t freed = list.Release(3);
    const size_t again = list.FillUntilNull(size);
    list.Check();
    REQUIRE(again >= freed);
    // All frees make room for as much as there was, short of what the heap
    // needs to describe itself.
    list.Release(1);
    Exercise(2, 200);
    const size_t second = list.FillUntilNull(size);
    // More room helps without any free.
    SetLimit(limit, limit.in_use() + kHeadroom);
    const size_t more = list.FillUntilNull(size);
    list.Check();
    Note("%zu bytes: %zu blocks, after frees %zu, %zu more with a higher limit",
         size, first, second, more);
    REQUIRE(first * size >= kHeadroom / 2);
    REQUIRE(second >= first - first / 8);
    REQUIRE(more * size >= kHeadroom / 2);
    list.Release(1);
    SetLimit(limit, RLIM_INFINITY);
  }
  Exercise(3, 1000);
}

// What blocks of one size took until the limit must serve blocks of another
// size once it is freed: between cells, runs and mappings in all directions.
void FreedMakesRoomForOtherSizes(const Limit& limit) {
  constexpr size_t kSizes[] = {48, 3000, 100 * kKiB, 3 * kMiB, 20 * kMiB};
  for (size_t from : kSizes) {
    for (size_t to : kSizes) {
      // Each pair in a process of its own: none profits from another's memory.
      const pid_t pid = fork();
      REQUIRE(pid >= 0);
      if (pid != 0) {
        RequireExitsCleanly(pid);
        continue;
      }
      SetLimit(limit, limit.in_use() + kHeadroom);
      List list;
      const size_t before = list.FillUntilNull(from) * from;
      list.Release(1);
      const size_t after = list.FillUntilNull(to) * to;
      list.Check();
      list.Release(1);
      if (after < before / 2) {
        Note("%zu bytes in blocks of %zu, then only %zu bytes in blocks of %zu",
             before, from, after, to);
      }
      REQUIRE(after >= before / 2);
      _exit(0);
    }
  }
}

void DataForOtherSizes() { FreedMakesRoomForOtherSizes(kData); }
void AddressSpaceForOtherSizes() { FreedMakesRoomForOtherSizes(kAddressSpace); }

void DataLimit() { ExhaustAndRecover(kData); }
void AddressSpaceLimit() { ExhaustAndRecover(kAddressSpace); }

// Threads meet the limit together, some with their very first malloc.
void ThreadsAtLimit(const Limit& limit) {
  constexpr unsigned kThreads = 8;
  for (uint64_t round = 0; round < 8; ++round) {
    pthread_barrier_t started;
    pthread_barrier_t limited;
    pthread_barrier_t exhausted;
    for (auto* barrier : {&started, &limited, &exhausted}) {
      REQUIRE(pthread_barrier_init(barrier, nullptr, kThreads + 1) == 0);
    }
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        if (t % 2 == 0) Exercise(t, 50);
        pthread_barrier_wait(&started);
        pthread_barrier_wait(&limited);
        const size_t size = size_t{64} << t;
        List list;
        list.FillUntilNull(size);
        list.Check();
        list.Release(2);
        list.FillUntilNull(size + size / 3);
        list.Check();
        pthread_barrier_wait(&exhausted);
        list.Release(1);
      });
    }
    pthread_barrier_wait(&started);
    SetLimit(limit, limit.in_use() + kHeadroom / 4);
    pthread_barrier_wait(&limited);
    pthread_barrier_wait(&exhausted);
    for (std::thread& thread : threads) thread.join();
    Exercise(round, 300);
    SetLimit(limit, RLIM_INFINITY);
  }
}

void ThreadsAtDataLimit() { ThreadsAtLimit(kData); }
void ThreadsAtAddressSpaceLimit() { ThreadsAtLimit(kAddressSpace); }

// A limit that is lower than what is in use already.
void LimitBelowUse() {
  for (const Limit& limit : {kData, kAddressSpace}) {
    std::vector<Block> blocks(20000);
    for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = MakeAnyBlock(i);
    SetLimit(limit, kMiB);
    List list;
    for (size_t size : {size_t{48}, size_t{5000}, 300 * kKiB, 20 * kMiB}) {
      list.FillUntilNull(size);
    }
    EveryEntryFails(list.first());
    list.Check();
    for (size_t i = 0; i < blocks.size(); i += 2) ReleaseBlock(&blocks[i]);
    // What was freed can be had again although the limit is below the rest.
    REQUIRE(list.FillUntilNull(48) > 1000);
    list.Check();
    list.Release(1);
    for (Block& block : blocks) ReleaseBlock(&block);
    SetLimit(limit, RLIM_INFINITY);
    Exercise(4, 500);
  }
}

// The kernel refuses a single request above memory and swap together unless it
// was told to overcommit always.
void RequestAboveAllMemory() {
  const size_t address_space = size_t{1} << 46;
  FILE* file = fopen("/proc/sys/vm/overcommit_memory", "r");
  int mode = -1;
  if (file == nullptr || fscanf(file, "%d", &mode) != 1) mode = -1;
  if (file != nullptr) fclose(file);
  if (mode == 1) Skip("vm.overcommit_memory is 1\n");
  Block block = MakeBlock(1000, 1);
  for (int i = 0; i < 100; ++i) {
    errno = 0;
    REQUIRE(malloc(address_space) == nullptr);
    REQUIRE(errno == ENOMEM);
    errno = 0;
    REQUIRE(realloc(block.pointer, address_space) == nullptr);
    REQUIRE(errno == ENOMEM);
    errno = 0;
    REQUIRE(calloc(address_space / 8, 8) == nullptr);
    REQUIRE(errno == ENOMEM);
    Exercise(static_cast<uint64_t>(i), 20);
  }
  ReleaseBlock(&block);
}

}  // namespace

std::vector<Scenario> Scenarios() {
  return {
      {"DataLimit", DataLimit},
      {"AddressSpaceLimit", AddressSpaceLimit},
      {"DataForOtherSizes", DataForOtherSizes},
      {"AddressSpaceForOtherSizes", AddressSpaceForOtherSizes},
      {"ThreadsAtDataLimit", ThreadsAtDataLimit},
      {"ThreadsAtAddressSpaceLimit", ThreadsAtAddressSpaceLimit},
      {"LimitBelowUse", LimitBelowUse},
      {"RequestAboveAllMemory", RequestAboveAllMemory},
  };
}

}  // namespace process
