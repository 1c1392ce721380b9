// Forks, one after the other, of a process whose threads allocate all the time.
// Each child uses the heap that it inherited: it checks and frees what its
// parent gave it, fills blocks of its own, and walks the heap.

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "testing/stress/calls.h"
#include "testing/stress/workloads.h"

namespace stress {
namespace {

constexpr int kItems = 300;

[[noreturn]] void RunChild(std::vector<Item>* inherited, uint64_t seed) {
  Random random(seed);
  for (Item& item : *inherited) {
    CheckItem(item);
    ReleaseItem(&item);
    item = MakeItem(Sizes::kMixed, random.Next());
  }
  calls::CheckHeap();
  for (Item& item : *inherited) ReleaseItem(&item);
  _exit(0);
}

}  // namespace

void RunForkStorm(int threads, uint64_t seed, int forks) {
  MailboxOptions options;
  options.threads = threads;
  options.seed = seed;
  options.operations = static_cast<uint64_t>(forks) * 4000;
  std::thread load([&options] { RunMailboxes(options); });
  Random random(seed);
  std::vector<Item> items(kItems);
  for (Item& item : items) item = MakeItem(Sizes::kMixed, random.Next());
  for (int i = 0; i < forks; ++i) {
    const uint64_t child_seed = random.Next();
    const pid_t child = fork();
    if (child == 0) RunChild(&items, child_seed);
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) Fail("a forked child failed", items[0]);
    ResizeItem(Sizes::kMixed, random.Next(), &items[random.Below(kItems)]);
  }
  for (Item& item : items) ReleaseItem(&item);
  load.join();
}

}  // namespace stress
