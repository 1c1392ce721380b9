// Misuses the allocator as the case on the command line says. Ends with
// "survived" on standard output if nobody noticed.

#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "testing/corruption/corruption.h"

namespace corruption {

void* Hide(const void* pointer) {
  const void* volatile hidden = pointer;
  return const_cast<void*>(hidden);
}

void* Announce(const void* pointer) {
  // Not stdio, which allocates.
  char line[32];
  const int size = snprintf(line, sizeof(line), "%p\n", pointer);
  if (write(STDOUT_FILENO, line, static_cast<size_t>(size)) != size) _exit(3);
  return Hide(pointer);
}

void* Behind(const void* pointer, size_t bytes) {
  return Hide(static_cast<const char*>(pointer) + bytes);
}

std::vector<void*> AllocateMany(size_t size, size_t count) {
  std::vector<void*> blocks;
  blocks.reserve(count);
  for (size_t i = 0; i < count; ++i) blocks.push_back(Hide(malloc(size)));
  return blocks;
}

void FreeAll(const std::vector<void*>& blocks) {
  for (void* block : blocks) free(block);
}

void OnThread(const std::function<void()>& body) { std::thread(body).join(); }

void OnThreadThatStays(const std::function<void()>& body) {
  std::atomic<bool> is_done{false};
  std::thread([&] {
    body();
    is_done = true;
    for (;;) pause();
  }).detach();
  while (!is_done) std::this_thread::yield();
}

void* AllocateFromLibc(size_t size) {
  // A second libc, of which nothing is interposed.
  void* libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW | RTLD_LOCAL);
  if (libc == nullptr) _exit(4);
  using Malloc = void*(size_t);
  return reinterpret_cast<Malloc*>(dlsym(libc, "malloc"))(size);
}

}  // namespace corruption

int main(int argc, char** argv) {
  const struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const std::vector<corruption::Case>* const kCases[] = {
      &corruption::kDoubleFrees,      &corruption::kForeignPointers,
      &corruption::kInteriorPointers, &corruption::kOverwrittenLinks,
      &corruption::kWrongSizes,       &corruption::kNotNoticed,
  };
  for (const auto* cases : kCases) {
    for (const corruption::Case& one : *cases) {
      if (argc == 1) puts(one.name);
      if (argc == 1 || strcmp(one.name, argv[1]) != 0) continue;
      one.run();
      puts("survived");
      fflush(stdout);
      _exit(0);
    }
  }
  return argc == 1 ? 0 : 2;
}
