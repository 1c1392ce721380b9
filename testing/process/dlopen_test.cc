// Plug-ins: dlopen and dlclose of a C++ library, with memory crossing the
// boundary both ways, thread_local storage that the dynamic linker allocates,
// and failures that make dlerror allocate.
//
// The dynamic linker calls malloc, calloc, realloc and free of the program, and
// frees with one what it got from the other; it also remembers blocks from
// before the program's malloc was found.
//
// And libraries that do not use the program's malloc: opened with
// RTLD_DEEPBIND, in a link namespace of their own, or with an allocator of
// their own. They share the program break with it, and a block that goes to the
// wrong one is named.

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "testing/contract/allocator_in_charge.h"
#include "testing/contract/pattern.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"
#include "testing/process/plugin.h"

namespace process {
namespace {

// Libraries are data files of the test, beside it or below.
std::string PathOf(const char* library) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  REQUIRE(length > 0);
  const std::string path(self, static_cast<size_t>(length));
  return path.substr(0, path.rfind('/') + 1) + library;
}

std::string PluginPath() { return PathOf("plugin.so"); }

template <typename Function>
Function Symbol(void* handle, const char* name) {
  void* symbol = dlsym(handle, name);
  REQUIRE(symbol != nullptr);
  return reinterpret_cast<Function>(symbol);
}

void* Opened(void* handle) {
  if (handle == nullptr) Note("%s", dlerror());
  REQUIRE(handle != nullptr);
  return handle;
}

void* Open(int mode) { return Opened(dlopen(PluginPath().c_str(), mode)); }

void UsePlugin(Plugin* plugin, int number) {
  auto map = plugin->MakeMap(50);
  REQUIRE(map.size() == 50);
  char* block = strdup("a block of the host's, long enough not to be inline");
  const size_t size = strlen(block) + 1;
  block = plugin->Exchange(block, size);
  REQUIRE(strncmp(block, "a block of the host", 19) == 0);
  free(block);
  try {
    plugin->Throw("text");
    REQUIRE(false);
  } catch (const std::runtime_error& error) {
    REQUIRE(strlen(error.what()) == 104);
  }
  const int before = plugin->UseThreadLocal(0);
  REQUIRE(plugin->UseThreadLocal(number) == before + number);
}

void OpenUseAndCloseManyTimes() {
  for (int i = 0; i < 200; ++i) {
    void* handle = Open(i % 2 == 0 ? RTLD_NOW : RTLD_LAZY);
    std::unique_ptr<Plugin> plugin(Symbol<MakePlugin>(handle, "make_plugin")());
    UsePlugin(plugin.get(), i);
    Symbol<FreeAtClose>(handle, "free_at_close")(malloc(1000 + i));
    auto map = plugin->MakeMap(20);
    char* block = plugin->Exchange(strdup("given"), 6);
    plugin.reset();
    REQUIRE(dlclose(handle) == 0);
    // Memory that came from the plug-in outlives it.
    REQUIRE(map.size() == 20);
    REQUIRE(strcmp(block, "given") == 0);
    free(block);
    Exercise(static_cast<uint64_t>(i), 20);
  }
}

// More plug-ins than the threads' vectors of thread_local blocks have room for.
void ThreadsUsePluginThreadLocals() {
  constexpr int kThreads = 8;
  for (int round = 0; round < 10; ++round) {
    std::atomic<int> used{0};
    std::atomic<Plugin*> shared{nullptr};
    std::atomic<bool> closed{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        Exercise(static_cast<uint64_t>(t), 50);
        while (shared == nullptr) sched_yield();
        UsePlugin(shared, t + 1);
        ++used;
        while (!closed) sched_yield();
        // Ends with a thread_local block of a library that is gone.
      });
    }
    void* handle = Open(RTLD_NOW);
    std::unique_ptr<Plugin> plugin(Symbol<MakePlugin>(handle, "make_plugin")());
    shared = plugin.get();
    while (used < kThreads) sched_yield();
    plugin.reset();
    REQUIRE(dlclose(handle) == 0);
    closed = true;
    for (std::thread& thread : threads) thread.join();
  }
}

void ThreadsOpenAndClose() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 40; ++i) {
        void* handle = Open(RTLD_NOW);
        std::unique_ptr<Plugin> plugin(
            Symbol<MakePlugin>(handle, "make_plugin")());
        UsePlugin(plugin.get(), t);
        plugin.reset();
        REQUIRE(dlclose(handle) == 0);
        REQUIRE(dlopen("/nonexistent/library.so", RTLD_NOW) == nullptr);
        REQUIRE(dlerror() != nullptr);
        REQUIRE(dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere") == nullptr);
        REQUIRE(dlerror() != nullptr);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void PluginLeftOpenIsClosedByExit() {
  void* handle = Open(RTLD_NOW | RTLD_GLOBAL);
  for (int i = 0; i < 100; ++i) {
    Symbol<FreeAtClose>(handle, "free_at_close")(malloc(100 * i));
  }
}

// Another link namespace has a libc of its own, whose malloc is its own too and
// shares the program break with ours.
void InnerNamespaceHasItsOwnMalloc() {
  void* handle = Opened(dlmopen(LM_ID_NEWLM, PluginPath().c_str(), RTLD_NOW));
  auto* plugin = Symbol<MakePlugin>(handle, "make_plugin")();
  for (int i = 0; i < 50; ++i) {
    Exercise(static_cast<uint64_t>(i), 200);
    // The library's memory stays in its namespace.
    REQUIRE(plugin->UseThreadLocal(1) == i + 1);
    auto* free_at_close = Symbol<FreeAtClose>(handle, "free_at_close");
    auto* inner_malloc = Symbol<void* (*)(size_t)>(handle, "malloc");
    for (size_t size : {size_t{10}, size_t{5000}, 200 * kKiB}) {
      void* block = inner_malloc(size);
      REQUIRE(block != nullptr);
      memset(block, 0x5a, size);
      free_at_close(block);
    }
  }
  REQUIRE(dlclose(handle) == 0);
  Exercise(50, 1000);
}

// Two allocators at work in turns; what each has stays whole and its own.
void WorkBeside(Allocate allocate, Release release) {
  struct Theirs {
    void* block;
    size_t size;
    uint64_t seed;
  };
  std::vector<Theirs> theirs;
  std::vector<Block> ours;
  for (uint64_t i = 0; i < 3000; ++i) {
    const uint64_t random = contract::Mix(i);
    const size_t size = 1 + random % (i % 100 == 0 ? kMiB : 3 * kKiB);
    void* block = allocate(size);
    REQUIRE(block != nullptr);
    REQUIRE(!contract::OwnedByMemalloc(block));
    contract::FillPattern(block, size, i);
    theirs.push_back({block, size, i});
    ours.push_back(MakeAnyBlock(random));
    if (i % 3 == 0) ReleaseBlock(&ours[random % ours.size()]);
    if (i % 500 == 0) malloc_trim(0);
  }
  for (const Theirs& t : theirs) {
    REQUIRE(contract::FindDamage(t.block, t.size, t.size, t.seed) == t.size);
    release(t.block);
  }
  for (Block& block : ours) ReleaseBlock(&block);
}

void DeepbindLibraryHasLibcsMalloc() {
  void* handle = Open(RTLD_NOW | RTLD_DEEPBIND);
  WorkBeside(Symbol<Allocate>(handle, "allocate"),
             Symbol<Release>(handle, "release"));
  // Calls stay within the library, its objects too.
  std::unique_ptr<Plugin> plugin(Symbol<MakePlugin>(handle, "make_plugin")());
  REQUIRE(plugin->UseThreadLocal(3) == 3);
  plugin.reset();
  REQUIRE(dlclose(handle) == 0);
  Exercise(60, 500);
}

void LibraryHasItsOwnMalloc() {
  void* handle = Opened(dlopen(PathOf("own_malloc.so").c_str(), RTLD_NOW));
  WorkBeside(Symbol<Allocate>(handle, "own_malloc"),
             Symbol<Release>(handle, "own_free"));
  char* copy = Symbol<char* (*)(const char*)>(handle, "copy_by_libc")("text");
  REQUIRE(contract::OwnedByMemalloc(copy) == contract::kExpectMemalloc);
  free(copy);
  REQUIRE(contract::MemallocInCharge() == contract::kExpectMemalloc);
}

// A memalloc of its own in another namespace, beside the program's malloc. Its
// libc does not let it move the break. In a child that is not ended by exit:
// the values of its keys are those of the program's keys of the same number, to
// glibc, and so the test framework's.
void InnerNamespaceHasAMemalloc() {
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid != 0) return RequireExitsCleanly(pid);
  const std::string library = PathOf("../../memalloc/memalloc.so");
  void* handle = Opened(dlmopen(LM_ID_NEWLM, library.c_str(), RTLD_NOW));
  auto* owns = Symbol<int (*)(const void*)>(handle, "memalloc_owns");
  auto* allocate = Symbol<Allocate>(handle, "malloc");
  void* block = allocate(100);
  REQUIRE(owns(block) == 1);
  Block ours = MakeAnyBlock(1);
  REQUIRE(owns(ours.pointer) == 0);
  ReleaseBlock(&ours);
  WorkBeside(allocate, Symbol<Release>(handle, "free"));
  Symbol<Release>(handle, "free")(block);
  Symbol<int (*)()>(handle, "memalloc_check_heap")();
  contract::CheckHeap();
  _exit(0);
}

// Opened by a program that does not know it, used by a thread, and closed: it
// stays, with what runs at the thread's end and around a fork.
void MemallocIsOpenedAndClosed() {
  const std::string library = PathOf("../../memalloc/memalloc.so");
  void* handle = Opened(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
  auto* allocate = Symbol<Allocate>(handle, "malloc");
  auto* release = Symbol<Release>(handle, "free");
  std::atomic<bool> used{false};
  std::atomic<bool> closed{false};
  std::thread user([&] {
    void* block = allocate(100);
    used = true;
    while (!closed) sched_yield();
    release(block);
  });
  while (!used) sched_yield();
  REQUIRE(dlclose(handle) == 0);
  closed = true;
  user.join();
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    release(allocate(100));
    _exit(0);
  }
  RequireExitsCleanly(pid);
  Exercise(70, 500);
}

// A library of another namespace overwrites the values of the program's first
// key, which is the allocator's.
void InnerNamespaceSetsItsKey() {
  void* handle = Opened(dlmopen(LM_ID_NEWLM, PluginPath().c_str(), RTLD_NOW));
  auto* set_key = Symbol<SetKey>(handle, "set_key");
  for (uint64_t i = 0; i < 20; ++i) {
    std::thread([set_key, i] {
      Exercise(i, 100);
      int here = 0;
      set_key(&here);
      Exercise(i, 100);
    }).join();
  }
}

// Each call that takes a pointer names one that another malloc made. Where the
// break was moved by that one, the block lies in a gap of our heap.
void ForeignBlocksAreNamed() {
  void* deepbind = Open(RTLD_NOW | RTLD_DEEPBIND);
  void* own = Opened(dlopen(PathOf("own_malloc.so").c_str(), RTLD_NOW));
  for (size_t size : {size_t{100}, 200 * kKiB, 20 * kMiB}) {
    for (void* block : {Symbol<Allocate>(deepbind, "allocate")(size),
                        Symbol<Allocate>(own, "own_malloc")(size)}) {
      auto check = [block](const char* call, void (*use)(void*)) {
        char start[100];
        snprintf(start, sizeof(start), "memalloc: %s(%p): ", call, block);
        const std::string said = Aborted([block, use] { use(block); });
        Note("%s", said.c_str());
        REQUIRE(
            said == start + std::string("not a pointer from memalloc; see "
                                        "docs/errors.md#foreign-pointer\n") ||
            said == start + std::string(
                                "no allocation stands here (freed before?); "
                                "see docs/errors.md#no-allocation\n"));
      };
      check("free", [](void* b) { free(b); });
      check("free", [](void* b) { operator delete(b); });
      check("realloc", [](void* b) { free(realloc(b, 1000)); });
      check("malloc_usable_size", [](void* b) {
        if (malloc_usable_size(b) == 1) _exit(1);
      });
    }
  }
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> scenarios = {
      {"OpenUseAndCloseManyTimes", OpenUseAndCloseManyTimes},
      {"ThreadsUsePluginThreadLocals", ThreadsUsePluginThreadLocals},
      {"ThreadsOpenAndClose", ThreadsOpenAndClose},
      {"PluginLeftOpenIsClosedByExit", PluginLeftOpenIsClosedByExit},
      {"InnerNamespaceHasItsOwnMalloc", InnerNamespaceHasItsOwnMalloc},
      {"DeepbindLibraryHasLibcsMalloc", DeepbindLibraryHasLibcsMalloc},
      {"LibraryHasItsOwnMalloc", LibraryHasItsOwnMalloc},
      {"InnerNamespaceHasAMemalloc", InnerNamespaceHasAMemalloc},
      {"MemallocIsOpenedAndClosed", MemallocIsOpenedAndClosed},
      {"InnerNamespaceSetsItsKey", InnerNamespaceSetsItsKey},
      {"ForeignBlocksAreNamed", ForeignBlocksAreNamed},
  };
  scenarios.back().not_on_libc = "its malloc is the library's as well";
  scenarios[scenarios.size() - 2].not_on_libc =
      "the first key is the test framework's there";
  return scenarios;
}

}  // namespace process
