// A library whose constructors allocate before anything of the executable ran,
// and whose destructors free after everything of it ended. Constructor 101 is
// the first of this library; the dynamic linker runs it before the constructors
// of the executable, which is where a statically linked allocator would have
// its own. Depending on the scenario named on the command line, it also starts
// a thread or forks there. Self-contained: plain C calls and a memset pattern.

#include "testing/process/early_late_library.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace {

constexpr size_t kSizes[] = {1, 24, 100, 1000, 5000, 40000, 100000, 9000000};
constexpr size_t kMaxBlocks = 256;

struct {
  char* pointer;
  size_t size;
} g_blocks[kMaxBlocks];
size_t g_count = 0;
void* g_free_at_exit = nullptr;
bool g_at_exit = false;
int g_forked_status = -1;

void Keep(void* pointer, size_t size) {
  if (pointer == nullptr || g_count == kMaxBlocks) abort();
  memset(pointer, static_cast<int>(g_count), size);
  g_blocks[g_count++] = {static_cast<char*>(pointer), size};
}

// Some of everything; half of it is freed again.
void Allocate() {
  for (size_t size : kSizes) {
    Keep(malloc(size), size);
    Keep(calloc(1, size), size);
    Keep(realloc(malloc(size / 2 + 1), size), size);
    Keep(memalign(64, size), size);
    Keep(memalign(4096, size), size);
    free(malloc(size));
    free(calloc(size, 1));
  }
  std::vector<std::string> strings;
  for (int i = 0; i < 100; ++i) strings.emplace_back(100, 'x');
}

void* AllocateInThread(void*) {
  Allocate();
  return nullptr;
}

void RunThread() {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, AllocateInThread, nullptr) != 0 ||
      pthread_join(thread, nullptr) != 0) {
    abort();
  }
}

void Fork() {
  const pid_t pid = fork();
  if (pid < 0) abort();
  if (pid == 0) {
    RunThread();
    const pid_t grandchild = fork();
    if (grandchild == 0) Allocate();
    if (grandchild == 0) _exit(early_late_damaged() == 0 ? 0 : 1);
    int status = -1;
    if (waitpid(grandchild, &status, 0) != grandchild || status != 0) _exit(2);
    _exit(early_late_damaged() == 0 ? 0 : 1);
  }
  if (waitpid(pid, &g_forked_status, 0) != pid) abort();
}

bool Named(int argc, char** argv, const char* scenario) {
  return argc == 2 && strcmp(argv[1], scenario) == 0;
}

__attribute__((constructor(101))) void First(int argc, char** argv, char**) {
  if (Named(argc, argv, "--scenario=ForkBeforeFirstMalloc")) Fork();
  if (Named(argc, argv, "--scenario=ThreadBeforeFirstMalloc")) RunThread();
  Allocate();
  if (Named(argc, argv, "--scenario=ForkInLibraryConstructor")) Fork();
  if (Named(argc, argv, "--scenario=ThreadInLibraryConstructor")) RunThread();
}

__attribute__((constructor)) void Second() { Allocate(); }

__attribute__((destructor(101))) void Last() {
  if (!g_at_exit) return;
  if (early_late_damaged() != 0) abort();
  for (size_t i = 0; i < g_count; ++i) free(g_blocks[i].pointer);
  g_count = 0;
  free(g_free_at_exit);
  Allocate();
  RunThread();
  constexpr char kText[] = "library destructor\n";
  if (write(STDOUT_FILENO, kText, sizeof(kText) - 1) < 0) abort();
}

}  // namespace

void* early_late_block(size_t index) {
  return index < g_count ? g_blocks[index].pointer : nullptr;
}

size_t early_late_damaged() {
  size_t damaged = 0;
  for (size_t i = 0; i < g_count; ++i) {
    const auto expected = static_cast<char>(i);
    for (size_t at = 0; at < g_blocks[i].size; ++at) {
      if (g_blocks[i].pointer[at] == expected) continue;
      ++damaged;
      break;
    }
  }
  return damaged;
}

void early_late_free_at_exit(void* pointer) {
  g_free_at_exit = pointer;
  g_at_exit = true;
}

int early_late_forked_status() { return g_forked_status; }
