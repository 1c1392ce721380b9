// The ends of threads and of the process: frees and allocations from
// destructors of every kind, in every order, after the thread's own heap has
// been given back, and while the process exits.
//
// What runs after main reports on standard output, in the order in which it
// must run; the table at the end has the exact text. All blocks are checked
// when they are freed.

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "testing/process/blocks.h"
#include "testing/process/early_late_library.h"
#include "testing/process/harness.h"

namespace process {
namespace {

// --- after main ---------------------------------------------------------

// Frees what main gave it, and what it made itself before main.
class StaticOwner {
 public:
  ~StaticOwner() {
    if (blocks_.empty()) return;
    for (Block& block : blocks_) ReleaseBlock(&block);
    names_.clear();
    Exercise(11, 500);
    Say("static destructor\n");
  }
  void Fill() {
    for (uint64_t i = 0; i < 500; ++i) blocks_.push_back(MakeAnyBlock(i));
    for (int i = 0; i < 500; ++i) names_[i].assign(i, 'n');
  }

 private:
  std::deque<Block> blocks_;
  std::map<int, std::string> names_;
};

StaticOwner g_owner;

void StaticDestructorsFree() { g_owner.Fill(); }

Block g_atexit_block;
int g_atexit_calls = 0;
constexpr int kAtexitHandlers = 100;  // libc allocates beyond 32

void AtexitHandler() {
  ReleaseBlock(&g_atexit_block);
  g_atexit_block = MakeAnyBlock(static_cast<uint64_t>(g_atexit_calls));
  Exercise(12, 20);
  if (++g_atexit_calls == kAtexitHandlers) Say("atexit handlers\n");
}

void AtexitHandlersAllocate() {
  for (int i = 0; i < kAtexitHandlers; ++i) {
    REQUIRE(atexit(AtexitHandler) == 0);
  }
  // Handlers may register handlers.
  REQUIRE(atexit([] { atexit([] { Exercise(13, 50); }); }) == 0);
  g_owner.Fill();
}

void LibraryDestructorsRunLast() {
  early_late_free_at_exit(malloc(12345));
  g_owner.Fill();
}

void QuickExitHandlersAllocate() {
  REQUIRE(at_quick_exit([] {
            Exercise(14, 200);
            Say("done\nat_quick_exit\n");
          }) == 0);
  Exercise(15, 200);
  quick_exit(0);
}

void ExitFromAnotherThread() {
  g_owner.Fill();
  std::thread([] {
    Exercise(16, 500);
    Say("done\n");
    exit(0);
  }).join();
}

void MainThreadEndsFirst() {
  static auto* blocks = new std::vector<Block>;
  for (uint64_t i = 0; i < 2000; ++i) blocks->push_back(MakeAnyBlock(i));
  static pthread_t main_thread = pthread_self();
  std::thread([] {
    REQUIRE(pthread_join(main_thread, nullptr) == 0);
    // All of it belongs to a thread that is gone.
    for (Block& block : *blocks) ReleaseBlock(&block);
    Exercise(17, 1000);
    g_owner.Fill();
    Say("done\n");
    exit(0);
  }).detach();
  pthread_exit(nullptr);
}

void ExitWhileDetachedThreadsAllocate() {
  for (int i = 0; i < 40; ++i) {
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid != 0) {
      RequireExitsCleanly(pid);
      continue;
    }
    static std::atomic<int> running{0};
    for (uint64_t t = 0; t < 4; ++t) {
      std::thread([t] {
        for (uint64_t round = 0;; ++round) {
          Exercise(t * 1000 + round, 100);
          if (round == 0) ++running;
        }
      }).detach();
    }
    while (running < 4) sched_yield();
    atexit([] { Exercise(18, 300); });
    exit(0);
  }
}

// --- ends of threads ----------------------------------------------------

// Allocates when built, checks, frees and allocates when destroyed.
struct ThreadLocalOwner {
  explicit ThreadLocalOwner(uint64_t number) : block(MakeAnyBlock(number)) {}
  ~ThreadLocalOwner() {
    ReleaseBlock(&block);
    Exercise(21, 100);
    ++destroyed;
  }
  Block block;
  static std::atomic<int> destroyed;
};

std::atomic<int> ThreadLocalOwner::destroyed{0};

void ThreadLocalDestructorsFree() {
  constexpr int kThreads = 50;
  for (int i = 0; i < kThreads; ++i) {
    std::thread([i] {
      // One is built before the thread's first malloc, one after much use.
      thread_local ThreadLocalOwner first(static_cast<uint64_t>(i));
      first.block.seed += 0;
      Exercise(22, 100);
      thread_local ThreadLocalOwner second(static_cast<uint64_t>(i) + 1000);
      thread_local std::vector<std::string> strings(100, std::string(50, 't'));
      second.block.seed += strings.empty() ? 1 : 0;
    }).join();
  }
  REQUIRE(ThreadLocalOwner::destroyed == 2 * kThreads);
  // The main thread's are destroyed by exit.
  thread_local std::string name(1000, 'm');
  thread_local ThreadLocalOwner owner(1);
  owner.block.seed += name.empty() ? 1 : 0;
  atexit([] { Say("after thread_local\n"); });
  g_owner.Fill();
}

constexpr int kKeys = 60;  // setspecific allocates beyond 32
pthread_key_t g_keys[kKeys];
std::atomic<int> g_key_calls{0};

// Frees what the key held and sets it again, as long as the rounds go on.
void KeyDestructor(void* value) {
  ++g_key_calls;
  auto* block = static_cast<Block*>(value);
  ReleaseBlock(block);
  delete block;
  Exercise(23, 10);
  for (pthread_key_t key : g_keys) {
    if (pthread_getspecific(key) != nullptr) continue;
    auto* next = new Block(MakeAnyBlock(static_cast<uint64_t>(key)));
    REQUIRE(pthread_setspecific(key, next) == 0);
    return;
  }
}

// Keys made before anything was allocated may be destroyed before or after the
// allocator's own; both must work.
__attribute__((constructor(101))) void MakeKeys() {
  for (int i = 0; i < kKeys / 2; ++i) {
    if (pthread_key_create(&g_keys[i], KeyDestructor) != 0) abort();
  }
}

void KeyDestructorsRunFourRounds() {
  for (int i = kKeys / 2; i < kKeys; ++i) {
    REQUIRE(pthread_key_create(&g_keys[i], KeyDestructor) == 0);
  }
  constexpr int kThreads = 20;
  for (int thread = 0; thread < kThreads; ++thread) {
    std::thread([thread] {
      for (pthread_key_t key : g_keys) {
        auto* block =
            new Block(MakeAnyBlock(static_cast<uint64_t>(thread) * 100 + key));
        REQUIRE(pthread_setspecific(key, block) == 0);
      }
    }).join();
  }
  Note("%d calls of key destructors in %d threads of %d keys",
       g_key_calls.load(), kThreads, kKeys);
  // Each of the four rounds that POSIX promises calls all keys that are set.
  static_assert(_POSIX_THREAD_DESTRUCTOR_ITERATIONS == 4);
  REQUIRE(g_key_calls >= kThreads * kKeys * 4);
}

// A thread that never used malloc before its last destructors do.
void FirstMallocInKeyDestructor() {
  static pthread_key_t key;
  REQUIRE(pthread_key_create(&key, [](void*) {
            Exercise(24, 200);
            ++g_key_calls;
          }) == 0);
  for (int i = 0; i < 200; ++i) {
    pthread_t thread;
    REQUIRE(pthread_create(
                &thread, nullptr,
                [](void*) -> void* {
                  pthread_setspecific(key, &key);
                  return nullptr;
                },
                nullptr) == 0);
    REQUIRE(pthread_join(thread, nullptr) == 0);
  }
  REQUIRE(g_key_calls == 200);
}

// Blocks from key destructors, when the heap of their thread is gone already,
// outlive the thread and are freed by others.
void BlocksMadeByDestructorsSurvive() {
  static pthread_key_t key;
  static std::vector<Block> blocks;
  REQUIRE(pthread_key_create(&key, [](void* value) {
            const auto round = reinterpret_cast<uintptr_t>(value);
            for (uint64_t i = 0; i < 50; ++i) {
              blocks.push_back(MakeAnyBlock(round * 100 + i));
            }
            if (round < 4) {
              pthread_setspecific(key, reinterpret_cast<void*>(round + 1));
            }
          }) == 0);
  for (int i = 0; i < 50; ++i) {
    std::thread([] {
      Exercise(25, 100);
      pthread_setspecific(key, reinterpret_cast<void*>(1));
    }).join();
  }
  REQUIRE(blocks.size() == 50 * 4 * 50);
  for (Block& block : blocks) ReleaseBlock(&block);
}

// In the fourth round the heap of the thread has been given back, and a thread
// that begins now gets it.
void LastDestructorBesideANewThread() {
  static pthread_key_t key;
  REQUIRE(pthread_key_create(&key, [](void* value) {
            const auto round = reinterpret_cast<uintptr_t>(value);
            if (round < 4) {
              pthread_setspecific(key, reinterpret_cast<void*>(round + 1));
              return;
            }
            std::thread other([] { Exercise(26, 5000); });
            Exercise(27, 5000);
            other.join();
            ++g_key_calls;
          }) == 0);
  for (int i = 0; i < 10; ++i) {
    std::thread([] {
      Exercise(28, 100);
      pthread_setspecific(key, reinterpret_cast<void*>(1));
    }).join();
  }
  REQUIRE(g_key_calls == 10);
}

}  // namespace

std::vector<Scenario> Scenarios() {
  return {
      {"StaticDestructorsFree", StaticDestructorsFree, "static destructor\n"},
      {"AtexitHandlersAllocate", AtexitHandlersAllocate,
       "atexit handlers\nstatic destructor\n"},
      {"LibraryDestructorsRunLast", LibraryDestructorsRunLast,
       "static destructor\nlibrary destructor\n"},
      {"QuickExitHandlersAllocate", QuickExitHandlersAllocate,
       "at_quick_exit\n"},
      {"ExitFromAnotherThread", ExitFromAnotherThread, "static destructor\n"},
      {"MainThreadEndsFirst", MainThreadEndsFirst, "static destructor\n"},
      {"ExitWhileDetachedThreadsAllocate", ExitWhileDetachedThreadsAllocate},
      {"ThreadLocalDestructorsFree", ThreadLocalDestructorsFree,
       "after thread_local\nstatic destructor\n"},
      {"KeyDestructorsRunFourRounds", KeyDestructorsRunFourRounds},
      {"FirstMallocInKeyDestructor", FirstMallocInKeyDestructor},
      {"BlocksMadeByDestructorsSurvive", BlocksMadeByDestructorsSurvive},
      {"LastDestructorBesideANewThread", LastDestructorBesideANewThread},
  };
}

}  // namespace process
