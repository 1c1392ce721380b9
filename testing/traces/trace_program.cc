// A program of known calls, which its trace must tell: `trace_program MODE`.
// What it allocates on its own account has kOddSize plus something, so that the
// test finds it among what libraries do; an allocation of kMarker comes first.
// It does not use stdio, which allocates.

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <new>

namespace {

constexpr size_t kOddSize = 1237;
constexpr size_t kMarker = 1236;

// A pointer that the compiler knows nothing of.
template <typename T>
T* Hidden(T* pointer) {
  asm volatile("" : "+r"(pointer));
  return pointer;
}

void* Block(size_t more) { return Hidden(malloc(kOddSize + more)); }

// Every kind of call, in this order, with sizes that tell them apart.
void AllKinds() {
  void* block = Block(1);
  block = Hidden(realloc(block, kOddSize + 2));
  free(block);
  free(Hidden(calloc(1, kOddSize + 3)));
  void* aligned = nullptr;
  if (posix_memalign(&aligned, 4096, kOddSize + 4) != 0) abort();
  free(Hidden(aligned));
  free(Hidden(aligned_alloc(64, kOddSize + 5)));
  free(Hidden(memalign(128, kOddSize + 6)));
  operator delete(Hidden(operator new(kOddSize + 7)), kOddSize + 7);
  operator delete (Hidden(operator new (kOddSize + 8, std::align_val_t{256})),
                   std::align_val_t{256});
  // Twice from the same bin; a large one; a huge one that moves.
  for (int i = 0; i < 2; ++i) free(Block(9));
  free(Block(200000));
  block = Block(20 << 20);
  block = Hidden(realloc(block, kOddSize + (30 << 20)));
  free(block);
  if (Hidden(malloc(SIZE_MAX / 2)) != nullptr) abort();
}

// A hundred blocks for each of ten threads, freed by the next one.
void* FreeAll(void* argument) {
  auto** blocks = static_cast<void**>(argument);
  for (int i = 0; i < 100; ++i) free(blocks[i]);
  for (int i = 0; i < 100; ++i) blocks[i] = Block(static_cast<size_t>(i));
  return blocks;
}

void Threads() {
  void* blocks[100] = {};
  for (int i = 0; i < 10; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, &FreeAll, blocks) != 0) abort();
    pthread_join(thread, nullptr);
  }
  for (void* block : blocks) free(block);
}

// Four at once, which take blocks from a row of places and leave others.
void* g_places[64];
void* Exchange(void* argument) {
  auto seed = static_cast<unsigned>(reinterpret_cast<uintptr_t>(argument));
  for (int i = 0; i < 8000; ++i) {
    void* block = Block(static_cast<size_t>(rand_r(&seed) % 300));
    if (i % 3 == 0) block = Hidden(realloc(block, kOddSize / 2));
    free(__atomic_exchange_n(&g_places[rand_r(&seed) % 64], block,
                             __ATOMIC_ACQ_REL));
  }
  return nullptr;
}

void Crowd() {
  pthread_t threads[4];
  for (uintptr_t i = 0; i < 4; ++i) {
    pthread_create(&threads[i], nullptr, &Exchange,
                   reinterpret_cast<void*>(i + 1));
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  for (void* block : g_places) free(block);
}

void Fork() {
  void* block = Block(1);
  const pid_t child = fork();
  if (child == 0) {
    free(block);
    free(Block(2));
    exit(0);
  }
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) abort();
  char line[16];
  const int length = std::snprintf(line, sizeof(line), "%d\n", child);
  if (write(STDOUT_FILENO, line, static_cast<size_t>(length)) < 0) abort();
  free(Block(3));
  free(block);
}

// Prints a line and waits to be killed.
void Wait() {
  for (size_t i = 0; i < 30000; ++i) free(Block(i % 100));
  Block(1);
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) abort();
  for (;;) pause();
}

void Crash() {
  Block(1);
  free(Block(2));
  raise(SIGSEGV);
}

void DoubleFree() {
  void* block = Block(1);
  void* again = Hidden(block);
  free(block);
  free(again);
}

void CloseAll() {
  Block(1);
  for (int fd = 0; fd < 256; ++fd) close(fd);
  if (chdir("/") != 0) abort();
  for (size_t i = 0; i < 30000; ++i) free(Block(i % 100));
  Block(2);
}

constexpr struct {
  const char* name;
  void (*run)();
} kModes[] = {
    {"kinds", &AllKinds},
    {"threads", &Threads},
    {"crowd", &Crowd},
    {"fork", &Fork},
    {"wait", &Wait},
    {"crash", &Crash},
    {"double_free", &DoubleFree},
    {"close", &CloseAll},
};

}  // namespace

int main(int argc, char** argv) {
  for (const auto& mode : kModes) {
    if (argc == 2 && strcmp(argv[1], mode.name) == 0) {
      free(Hidden(malloc(kMarker)));
      mode.run();
      return 0;
    }
  }
  return 2;
}
