// Forks: under load, from many threads, from atfork handlers that allocate,
// many levels deep, and the vfork that posix_spawn is.
//
// The child of a threaded process has one thread and a copy of a heap whose
// other owners are gone in the middle of what they did. It must be able to
// allocate, to free what it holds (its own blocks and those that threads of the
// parent made), to start threads, and to fork again. The parent must not notice
// at all.

#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "testing/contract/allocator_in_charge.h"
#include "testing/contract/pattern.h"
#include "testing/contract/process_memory.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"

extern char** environ;

namespace process {
namespace {

// Threads that use the allocator as hard as they can, and now and then put a
// block into an exchange where anybody may take it.
class Load {
 public:
  explicit Load(int threads) {
    for (int t = 0; t < threads; ++t) {
      threads_.emplace_back([this, t] { Hammer(static_cast<uint64_t>(t)); });
    }
  }

  ~Load() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    for (Block& block : exchange_) ReleaseBlock(&block);
  }

  // Replaces *block by one that some other thread made; may be null at first.
  void Swap(size_t index, Block* block) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::swap(exchange_[index % kExchange], *block);
  }

 private:
  static constexpr size_t kExchange = 100;

  void Hammer(uint64_t thread) {
    constexpr size_t kLive = 40;
    Block live[kLive];
    for (uint64_t i = 0; !stop_; ++i) {
      const uint64_t random = contract::Mix(thread * 1000003 + i);
      Block& block = live[random % kLive];
      ReleaseBlock(&block);
      block = MakeAnyBlock(random);
      if (random % 4 == 0) Swap(random >> 8, &block);
    }
    for (Block& block : live) ReleaseBlock(&block);
  }

  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  Block exchange_[kExchange];
  std::vector<std::thread> threads_;
};

// What a child does with the blocks it inherited, half of them in threads of
// its own. Takes all of the allocator's slow paths.
void LiveAsChild(std::vector<Block>* inherited, uint64_t seed) {
  Exercise(seed, 40);
  for (size_t i = 0; i < inherited->size(); i += 2) {
    ReleaseBlock(&(*inherited)[i]);
  }
  std::thread first([&] {
    Exercise(seed + 1, 40);
    for (size_t i = 1; i < inherited->size(); i += 4) {
      ReleaseBlock(&(*inherited)[i]);
    }
  });
  std::thread second([&] { Exercise(seed + 2, 40); });
  first.join();
  second.join();
  for (Block& block : *inherited) {
    if (block.pointer != nullptr) ResizeBlock(&block, block.size * 2 + 1);
  }
  const pid_t grandchild = fork();
  REQUIRE(grandchild >= 0);
  if (grandchild == 0) {
    for (Block& block : *inherited) ReleaseBlock(&block);
    Exercise(seed + 3, 40);
    contract::CheckHeap();
    _exit(0);
  }
  RequireExitsCleanly(grandchild);
  for (Block& block : *inherited) ReleaseBlock(&block);
  contract::CheckHeap();
}

void ForkUnderLoad() {
  constexpr int kForks = 150;
  Load load(4);
  std::vector<Block> mine(100);
  for (int i = 0; i < kForks; ++i) {
    for (size_t b = 0; b < mine.size(); ++b) {
      if (b % 2 == 0) {
        load.Swap(b + static_cast<size_t>(i), &mine[b]);
      } else {
        ReleaseBlock(&mine[b]);
        mine[b] = MakeAnyBlock(static_cast<uint64_t>(i) * 1000 + b);
      }
    }
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      LiveAsChild(&mine, static_cast<uint64_t>(i));
      // Through the handlers and destructors of exit, or past them.
      if (i % 8 == 0) exit(0);
      _exit(0);
    }
    RequireExitsCleanly(pid);
    for (Block& block : mine) {
      if (block.pointer != nullptr) CheckBlock(block);
    }
  }
  for (Block& block : mine) ReleaseBlock(&block);
}

void ForkFromManyThreads() {
  constexpr int kThreads = 5;
  Load load(2);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&load, t] {
      std::vector<Block> mine(60);
      for (uint64_t i = 0; i < 20; ++i) {
        for (Block& block : mine) {
          ReleaseBlock(&block);
          block = MakeAnyBlock(t * 10000 + i * 100);
          load.Swap(i, &block);
        }
        const pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
          LiveAsChild(&mine, t * 100 + i);
          _exit(0);
        }
        RequireExitsCleanly(pid);
      }
      for (Block& block : mine) ReleaseBlock(&block);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::atomic<int> g_prepared{0};
std::atomic<int> g_in_parent{0};
std::atomic<int> g_in_child{0};
Block g_handler_block;

void AtforkHandlersAllocate() {
  // Several, some of which fork's own handler list must grow for.
  constexpr int kHandlers = 60;
  for (int i = 0; i < kHandlers; ++i) {
    REQUIRE(pthread_atfork(
                [] {
                  ReleaseBlock(&g_handler_block);
                  g_handler_block =
                      MakeAnyBlock(static_cast<uint64_t>(++g_prepared));
                  Exercise(1, 10);
                },
                [] {
                  ReleaseBlock(&g_handler_block);
                  Exercise(2, 10);
                  ++g_in_parent;
                },
                [] {
                  ReleaseBlock(&g_handler_block);
                  Exercise(3, 10);
                  ++g_in_child;
                }) == 0);
  }
  Load load(3);
  constexpr int kForks = 20;
  for (int i = 0; i < kForks; ++i) {
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      REQUIRE(g_in_child == kHandlers);
      Exercise(4, 200);
      _exit(0);
    }
    RequireExitsCleanly(pid);
  }
  REQUIRE(g_prepared == kHandlers * kForks);
  REQUIRE(g_in_parent == kHandlers * kForks);
  REQUIRE(g_in_child == 0);
}

// Each generation frees half of what its ancestors and it itself made and
// passes the rest on; memory must not pile up with the generations.
void ManyGenerations() {
  constexpr uint64_t kGenerations = 20;
  std::vector<Block> blocks;
  for (uint64_t generation = 0; generation < kGenerations; ++generation) {
    std::thread([&] {
      for (uint64_t i = 0; i < 400; ++i) {
        blocks.push_back(MakeAnyBlock(generation * 1000 + i));
      }
    }).join();
    auto* load = new Load(1);
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid != 0) {
      RequireExitsCleanly(pid);
      for (Block& block : blocks) CheckBlock(block);
      delete load;
      if (generation > 0) _exit(0);
      return;
    }
    // In the child, `load` and its blocks are lost with its threads.
    std::vector<Block> kept;
    for (Block& block : blocks) {
      if (kept.size() < blocks.size() / 2) {
        kept.push_back(block);
      } else {
        ReleaseBlock(&block);
      }
    }
    blocks.swap(kept);
    Exercise(generation, 300);
    contract::CheckHeap();
  }
  for (Block& block : blocks) ReleaseBlock(&block);
  const size_t resident = contract::ResidentBytes();
  Note("generation %d: %zu KiB resident", static_cast<int>(kGenerations),
       resident / kKiB);
  REQUIRE(resident < 300 * kMiB);
  _exit(0);
}

// A child is not crippled: it does as much as a fresh process could.
void ChildDoesHeavyWork() {
  Load load(4);
  for (int i = 0; i < 5; ++i) {
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      std::vector<std::thread> threads;
      for (uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([t] { Exercise(t, 20000); });
      }
      for (std::thread& thread : threads) thread.join();
      contract::CheckHeap();
      Note("child %d: %zu MiB resident", i, contract::ResidentBytes() / kMiB);
      REQUIRE(contract::ResidentBytes() < 400 * kMiB);
      _exit(0);
    }
    RequireExitsCleanly(pid);
  }
}

void SpawnUnderLoad() {
  Load load(4);
  for (int i = 0; i < 40; ++i) {
    char name[] = "true";
    char* arguments[] = {name, nullptr};
    pid_t pid = 0;
    REQUIRE(posix_spawnp(&pid, name, nullptr, nullptr, arguments, environ) ==
            0);
    RequireExitsCleanly(pid);
    Exercise(static_cast<uint64_t>(i), 50);

    pid = vfork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      execvp(name, arguments);
      _exit(9);
    }
    RequireExitsCleanly(pid);

    const int status = system("exit 3");
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 3);

    FILE* pipe = popen("echo text", "r");
    REQUIRE(pipe != nullptr);
    char line[16] = "";
    REQUIRE(fgets(line, sizeof(line), pipe) != nullptr);
    REQUIRE(strcmp(line, "text\n") == 0);
    REQUIRE(pclose(pipe) == 0);
  }
}

}  // namespace

std::vector<Scenario> Scenarios() {
  return {
      {"ForkUnderLoad", ForkUnderLoad},
      {"ForkFromManyThreads", ForkFromManyThreads},
      {"AtforkHandlersAllocate", AtforkHandlersAllocate},
      {"ManyGenerations", ManyGenerations},
      {"ChildDoesHeavyWork", ChildDoesHeavyWork},
      {"SpawnUnderLoad", SpawnUnderLoad},
  };
}

}  // namespace process
