// Threads in large numbers, on tiny stacks, cancelled, jumped out of, and
// coroutines that move between them.
//
// Bounds on resident memory are generous and the figures are printed: what they
// exclude is memory that stays with threads that are gone, or a heap per thread
// that is much larger than what the thread uses.

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "testing/contract/allocator_in_charge.h"
#include "testing/contract/pattern.h"
#include "testing/contract/process_memory.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"

namespace process {
namespace {

using contract::ResidentBytes;

size_t MiB(size_t bytes) { return bytes / kMiB; }

// --- many ---------------------------------------------------------------

void TenThousandShortThreads() {
  constexpr int kBatch = 20;
  constexpr int kBatches = 500;
  // Each thread leaves blocks behind for a thread of the next batch to free.
  static Block left[kBatch][10];
  size_t resident_early = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kBatch; ++t) {
      threads.emplace_back([batch, t] {
        for (Block& block : left[t]) ReleaseBlock(&block);
        const auto seed = static_cast<uint64_t>(batch * kBatch + t);
        Exercise(seed, 20);
        for (size_t i = 0; i < 10; ++i) {
          left[t][i] = MakeBlock(contract::Mix(seed * 10 + i) % 3000, i);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (batch == kBatches / 10) {
      malloc_trim(0);
      resident_early = ResidentBytes();
    }
  }
  malloc_trim(0);
  const size_t resident = ResidentBytes();
  Note("resident after 1,000 threads: %zu MiB, after 10,000: %zu MiB",
       MiB(resident_early), MiB(resident));
  // libc's figure is there to compare with: it varies with the load.
  REQUIRE(!contract::kExpectMemalloc || resident < resident_early + 64 * kMiB);
  for (auto& blocks : left) {
    for (Block& block : blocks) ReleaseBlock(&block);
  }
}

// Lets a given number of threads wait until all are there.
class Gate {
 public:
  explicit Gate(int expected) : expected_(expected) {}
  void Arrive() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (++arrived_ == expected_) all_.notify_all();
    open_.wait(lock, [this] { return is_open_; });
  }
  void AwaitAll() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_.wait(lock, [this] { return arrived_ == expected_; });
  }
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_open_ = true;
    open_.notify_all();
  }

 private:
  const int expected_;
  int arrived_ = 0;
  bool is_open_ = false;
  std::mutex mutex_;
  std::condition_variable all_;
  std::condition_variable open_;
};

constexpr int kLiveThreads = 1000;
constexpr size_t kBlocksPerThread = 8;

// Runs kLiveThreads at once, each with one block in each of several classes,
// 8 KiB together; returns what was resident while all lived.
size_t RunLiveThreads() {
  static Block blocks[kLiveThreads][kBlocksPerThread];
  static Gate* gate;
  Gate this_gate(kLiveThreads);
  gate = &this_gate;
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 64 * kKiB) == 0);
  std::vector<pthread_t> threads(kLiveThreads);
  for (size_t t = 0; t < threads.size(); ++t) {
    REQUIRE(pthread_create(
                &threads[t], &attributes,
                [](void* argument) -> void* {
                  auto* mine = static_cast<Block*>(argument);
                  for (size_t i = 0; i < kBlocksPerThread; ++i) {
                    mine[i] = MakeBlock(size_t{32} << i, i);
                    REQUIRE(mine[i].pointer != nullptr);
                  }
                  gate->Arrive();
                  for (size_t i = 0; i < kBlocksPerThread; i += 2) {
                    ReleaseBlock(&mine[i]);
                  }
                  return nullptr;
                },
                blocks[t]) == 0);
  }
  this_gate.AwaitAll();
  const size_t resident = ResidentBytes();
  this_gate.Open();
  for (pthread_t thread : threads) REQUIRE(pthread_join(thread, nullptr) == 0);
  for (auto& mine : blocks) {
    for (Block& block : mine) ReleaseBlock(&block);
  }
  pthread_attr_destroy(&attributes);
  return resident;
}

void ThousandLiveThreads() {
  const size_t before = ResidentBytes();
  const size_t first = RunLiveThreads();
  const size_t second = RunLiveThreads();
  Note("1,000 live threads: %zu KiB resident each; again: %zu KiB each",
       (first - before) / kLiveThreads / kKiB,
       (second - before) / kLiveThreads / kKiB);
  REQUIRE(first < before + kLiveThreads * 256 * kKiB);
  REQUIRE(second < first + first / 4 + 16 * kMiB);
}

void MemoryOfDeadThreadsIsReused() {
  constexpr size_t kTotal = 32 * kMiB;
  size_t resident_once = 0;
  for (size_t round = 0; round < 4; ++round) {
    for (size_t size : {size_t{100}, size_t{1000}, 10 * kKiB, 100 * kKiB}) {
      std::vector<Block> blocks(kTotal / size);
      std::thread([&] {
        for (size_t i = 0; i < blocks.size(); ++i) {
          blocks[i] = MakeBlock(size, i);
        }
      }).join();
      // Freed here, or there by a thread that ends at once.
      auto release = [&] {
        for (Block& block : blocks) ReleaseBlock(&block);
      };
      if (round % 2 == 0) release();
      if (round % 2 == 1) std::thread(release).join();
    }
    if (round == 0) resident_once = ResidentBytes();
  }
  Note(
      "resident after 32 MiB of each of four sizes: %zu MiB once, %zu MiB "
      "after 4 rounds",
      MiB(resident_once), MiB(ResidentBytes()));
  REQUIRE(contract::PeakResidentBytes() < 6 * kTotal);
  REQUIRE(!contract::kExpectMemalloc ||
          ResidentBytes() < resident_once + 32 * kMiB);
}

// --- tiny stacks --------------------------------------------------------

Block g_from_main[3000];

// Takes every slow path, with little stack of its own.
void* UseAllocatorOnTinyStack(void*) {
  for (size_t size = 1; size <= 12 * kMiB; size += size / 2 + 1) {
    void* block = malloc(size);
    void* zeroed = calloc(1, size);
    void* aligned = nullptr;
    REQUIRE(posix_memalign(&aligned, 8192, size) == 0);
    REQUIRE(block != nullptr && zeroed != nullptr);
    block = realloc(block, size * 2);
    REQUIRE(block != nullptr);
    block = realloc(block, size / 2 + 1);
    REQUIRE(block != nullptr);
    free(block);
    free(zeroed);
    free(aligned);
    delete[] new char[size];
  }
  // Blocks of another thread: batches are sent, memory is given back.
  for (Block& block : g_from_main) {
    free(block.pointer);
    block = Block{};
  }
  return nullptr;
}

void FillForTinyStack() {
  for (size_t i = 0; i < 3000; ++i) g_from_main[i] = MakeAnyBlock(i);
}

void StackOf16KiBSuffices() {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 16 * kKiB) == 0);
  for (int i = 0; i < 5; ++i) {
    FillForTinyStack();
    pthread_t thread;
    REQUIRE(pthread_create(&thread, &attributes, UseAllocatorOnTinyStack,
                           nullptr) == 0);
    REQUIRE(pthread_join(thread, nullptr) == 0);
  }
}

// A stack of which it can be told how much was used.
constexpr size_t kStack = 256 * kKiB;

char* NewStack() {
  auto* stack = static_cast<char*>(mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(stack != MAP_FAILED);
  return std::fill_n(stack, kStack, 'u') - kStack;
}

size_t UsedOf(const char* stack) {
  const char* touched =
      std::find_if(stack, stack + kStack, [](char c) { return c != 'u'; });
  return static_cast<size_t>(stack + kStack - touched);
}

void StackUseIsSmall() {
  FillForTinyStack();
  char* stack = NewStack();
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstack(&attributes, stack, kStack) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, UseAllocatorOnTinyStack,
                         nullptr) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  Note("%zu bytes of stack used, with the thread's descriptor and TLS",
       UsedOf(stack));
  REQUIRE(UsedOf(stack) < 12 * kKiB);
}

void* g_grown[30];

// A signal that the program sends itself outside of malloc: its handler, on an
// alternate stack, may allocate.
void HandlerOnAlternateStack() {
  // The dynamic linker binds what is called, which takes more stack.
  FillForTinyStack();
  UseAllocatorOnTinyStack(nullptr);
  FillForTinyStack();
  char* stack = NewStack();
  const stack_t alternate = {stack, 0, kStack};
  REQUIRE(sigaltstack(&alternate, nullptr) == 0);
  struct sigaction action = {};
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = [](int) {};
  REQUIRE(sigaction(SIGUSR1, &action, nullptr) == 0);
  REQUIRE(raise(SIGUSR1) == 0);
  const size_t frame_of_signal = UsedOf(stack);
  action.sa_handler = [](int) {
    UseAllocatorOnTinyStack(nullptr);
    // More than there was before, so that the heap has to grow.
    for (void*& block : g_grown) block = malloc(4 * kMiB);
  };
  REQUIRE(sigaction(SIGUSR1, &action, nullptr) == 0);
  REQUIRE(raise(SIGUSR1) == 0);
  Note("%zu bytes of stack used, above the signal's frame of %zu",
       UsedOf(stack) - frame_of_signal, frame_of_signal);
  REQUIRE(UsedOf(stack) < frame_of_signal + 2 * kKiB);
  for (void* block : g_grown) REQUIRE(block != nullptr);
  for (void* block : g_grown) free(block);
}

// --- leaving in the middle ----------------------------------------------

void AllocatorIsNoCancellationPoint() {
  static bool reached = false;
  std::vector<Block> blocks(2000);
  for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = MakeAnyBlock(i);
  pthread_t thread;
  REQUIRE(pthread_create(
              &thread, nullptr,
              [](void* argument) -> void* {
                pthread_cancel(pthread_self());
                auto* blocks = static_cast<std::vector<Block>*>(argument);
                for (Block& block : *blocks) ReleaseBlock(&block);
                Exercise(1, 5000);
                reached = true;
                pthread_testcancel();
                return nullptr;
              },
              &blocks) == 0);
  void* result = nullptr;
  REQUIRE(pthread_join(thread, &result) == 0);
  REQUIRE(reached);
  REQUIRE(result == PTHREAD_CANCELED);
}

void CancelledThreadsLeaveNothingLocked() {
  for (int round = 0; round < 40; ++round) {
    static std::atomic<int> running;
    running = 0;
    std::vector<pthread_t> threads(5);
    for (pthread_t& thread : threads) {
      REQUIRE(pthread_create(
                  &thread, nullptr,
                  [](void*) -> void* {
                    ++running;
                    // Freed by the unwinding that cancellation is.
                    const std::vector<char> freed_by_unwinding(5000);
                    for (uint64_t i = 0;; ++i) {
                      Exercise(i, 10);
                      pthread_testcancel();
                    }
                  },
                  nullptr) == 0);
    }
    while (running < 5) sched_yield();
    Exercise(static_cast<uint64_t>(round), 50);
    for (pthread_t thread : threads) REQUIRE(pthread_cancel(thread) == 0);
    for (pthread_t thread : threads) {
      void* result = nullptr;
      REQUIRE(pthread_join(thread, &result) == 0);
      REQUIRE(result == PTHREAD_CANCELED);
    }
  }
}

jmp_buf g_jump;

void JumpOutOfNewHandler() {
  std::set_new_handler([] { longjmp(g_jump, 1); });
  static volatile int jumps;
  jumps = 0;
  static volatile size_t impossible = size_t{PTRDIFF_MAX} - 4096;
  for (int i = 0; i < 1000; ++i) {
    if (setjmp(g_jump) == 0) {
      ::operator delete(::operator new(impossible));
      REQUIRE(false);
    }
    jumps = jumps + 1;
    Exercise(static_cast<uint64_t>(i), 5);
    // A lock that was left behind would stop another thread.
    if (i % 50 == 0) std::thread([] { Exercise(7, 200); }).join();
  }
  std::set_new_handler(nullptr);
  REQUIRE(jumps == 1000);
}

// --- coroutines ---------------------------------------------------------

// Coroutines on stacks from malloc. Two threads resume them alternately, so
// that a coroutine allocates in one thread and frees in another.
struct Coroutine {
  ucontext_t own;
  ucontext_t* resumer = nullptr;
  void* stack = nullptr;
  Block block;
  uint64_t number = 0;
  int steps = 0;
};

constexpr int kSteps = 50;
Coroutine* g_starting = nullptr;

void RunCoroutine() {
  Coroutine* self = g_starting;
  for (; self->steps < kSteps; ++self->steps) {
    ReleaseBlock(&self->block);
    self->block = MakeAnyBlock(self->number * 1000 + self->steps);
    Exercise(self->number, 5);
    swapcontext(&self->own, self->resumer);
  }
  ReleaseBlock(&self->block);
  swapcontext(&self->own, self->resumer);
}

void CoroutinesMoveBetweenThreads() {
  constexpr size_t kCoroutineStack = 64 * kKiB;
  std::vector<Coroutine> coroutines(60);
  for (size_t i = 0; i < coroutines.size(); ++i) {
    Coroutine& coroutine = coroutines[i];
    coroutine.number = i;
    coroutine.stack = malloc(kCoroutineStack);
    REQUIRE(getcontext(&coroutine.own) == 0);
    coroutine.own.uc_stack.ss_sp = coroutine.stack;
    coroutine.own.uc_stack.ss_size = kCoroutineStack;
    makecontext(&coroutine.own, RunCoroutine, 0);
  }
  // One thread at a time, a new one every step.
  for (int step = 0; step <= kSteps; ++step) {
    auto resume_all = [&coroutines] {
      for (Coroutine& coroutine : coroutines) {
        ucontext_t here;
        coroutine.resumer = &here;
        g_starting = &coroutine;
        REQUIRE(swapcontext(&here, &coroutine.own) == 0);
      }
    };
    if (step % 3 == 0) resume_all();
    if (step % 3 != 0) std::thread(resume_all).join();
  }
  for (Coroutine& coroutine : coroutines) {
    REQUIRE(coroutine.steps == kSteps);
    free(coroutine.stack);
  }
}

}  // namespace

std::vector<Scenario> Scenarios() {
  return {
      {"TenThousandShortThreads", TenThousandShortThreads},
      {"ThousandLiveThreads", ThousandLiveThreads},
      {"MemoryOfDeadThreadsIsReused", MemoryOfDeadThreadsIsReused},
      {"StackOf16KiBSuffices", StackOf16KiBSuffices},
      {"StackUseIsSmall", StackUseIsSmall},
      {"HandlerOnAlternateStack", HandlerOnAlternateStack},
      {"AllocatorIsNoCancellationPoint", AllocatorIsNoCancellationPoint},
      {"CancelledThreadsLeaveNothingLocked",
       CancelledThreadsLeaveNothingLocked},
      {"JumpOutOfNewHandler", JumpOutOfNewHandler},
      {"CoroutinesMoveBetweenThreads", CoroutinesMoveBetweenThreads},
  };
}

}  // namespace process
