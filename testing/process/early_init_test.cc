// Early life: allocation in a shared library's first constructor, in
// preinit_array, in static constructors; threads and forks there. Nothing of
// memalloc has been initialised by a constructor of its own at that time, and
// parts of libc have not either.
//
// Two of the scenarios make the fork, or the thread, the first thing that
// happens at all. Early blocks must be memalloc's like all others, keep their
// contents, and be usable by everybody later.

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <string>
#include <thread>

#include "testing/contract/allocator_in_charge.h"
#include "testing/process/blocks.h"
#include "testing/process/early_late_library.h"
#include "testing/process/harness.h"

namespace process {
namespace {

constexpr size_t kPreinitBlocks = 200;
Block g_preinit_blocks[kPreinitBlocks];
int g_atfork_calls = 0;

void AllocateInAtforkHandler() {
  Exercise(static_cast<uint64_t>(++g_atfork_calls), 50);
}

// Runs before the constructors of all libraries, the allocator's too.
void Preinit(int argc, char** argv, char**) {
  const std::string scenario = ScenarioOf(argc, argv);
  if (scenario == "AtforkHandlersFromPreinit") {
    pthread_atfork(AllocateInAtforkHandler, AllocateInAtforkHandler,
                   AllocateInAtforkHandler);
  }
  for (size_t i = 0; i < kPreinitBlocks; ++i) {
    g_preinit_blocks[i] = MakeAnyBlock(i);
  }
  Exercise(1, 200);
}

__attribute__((section(".preinit_array"),
               used)) void (*const g_preinit)(int, char**, char**) = Preinit;

// Built by a constructor of the executable, early among them.
struct EarlyObject {
  EarlyObject() {
    for (int i = 0; i < 1000; ++i) names[i] = std::string(i % 200, 'n');
    Exercise(2, 300);
    for (Block& block : blocks) block = MakeAnyBlock(++numbered);
  }

  std::map<int, std::string> names;
  Block blocks[100];
  uint64_t numbered = 0;
};

EarlyObject g_early __attribute__((init_priority(101)));
const std::string g_plain_static(1000, 's');

void EarlyBlocksAreOrdinary() {
  size_t count = 0;
  while (void* block = early_late_block(count)) {
    REQUIRE(contract::OwnedByMemalloc(block) == contract::kExpectMemalloc);
    ++count;
  }
  REQUIRE(count >= 80);
  REQUIRE(early_late_damaged() == 0);
  for (Block& block : g_preinit_blocks) {
    REQUIRE(contract::OwnedByMemalloc(block.pointer) ==
            contract::kExpectMemalloc);
    ResizeBlock(&block, block.size + 100);
  }
  REQUIRE(g_early.names.size() == 1000 && g_early.names[199].size() == 199);
  REQUIRE(g_plain_static.size() == 1000);
  // Freed by another thread, as far as they have no destructor.
  std::thread([] {
    for (Block& block : g_preinit_blocks) ReleaseBlock(&block);
    for (Block& block : g_early.blocks) ReleaseBlock(&block);
  }).join();
  Exercise(3, 2000);
  REQUIRE(early_late_damaged() == 0);
}

void ThreadWasRunByConstructor() {
  // Its 40 blocks are among those of the two constructors.
  REQUIRE(early_late_block(40 * 3 - 1) != nullptr);
  EarlyBlocksAreOrdinary();
}

void ForkWasRunByConstructor() {
  REQUIRE(early_late_forked_status() == 0);
  EarlyBlocksAreOrdinary();
}

void AtforkHandlersFromPreinit() {
  for (int i = 0; i < 20; ++i) {
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      REQUIRE(g_atfork_calls == 2 * i + 2);
      Exercise(4, 200);
      _exit(0);
    }
    RequireExitsCleanly(pid);
    REQUIRE(g_atfork_calls == 2 * i + 2);
  }
  EarlyBlocksAreOrdinary();
}

}  // namespace

std::vector<Scenario> Scenarios() {
  return {
      {"EarlyBlocksAreOrdinary", EarlyBlocksAreOrdinary},
      {"ThreadInLibraryConstructor", ThreadWasRunByConstructor},
      {"ThreadBeforeFirstMalloc", ThreadWasRunByConstructor},
      {"ForkInLibraryConstructor", ForkWasRunByConstructor},
      {"ForkBeforeFirstMalloc", ForkWasRunByConstructor},
      {"AtforkHandlersFromPreinit", AtforkHandlersFromPreinit},
  };
}

}  // namespace process
