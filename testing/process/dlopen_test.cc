// Plug-ins: dlopen and dlclose of a C++ library, with memory crossing the
// boundary both ways, thread_local storage that the dynamic linker allocates,
// and failures that make dlerror allocate.
//
// The dynamic linker calls malloc, calloc, realloc and free of the program, and
// frees with one what it got from the other; it also remembers blocks from
// before the program's malloc was found.

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "testing/process/blocks.h"
#include "testing/process/harness.h"
#include "testing/process/plugin.h"

namespace process {
namespace {

// The plug-in is a data file of the test, beside it.
std::string PluginPath() {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  REQUIRE(length > 0);
  const std::string path(self, static_cast<size_t>(length));
  return path.substr(0, path.rfind('/')) + "/plugin.so";
}

template <typename Function>
Function Symbol(void* handle, const char* name) {
  void* symbol = dlsym(handle, name);
  REQUIRE(symbol != nullptr);
  return reinterpret_cast<Function>(symbol);
}

void* Open(int mode) {
  void* handle = dlopen(PluginPath().c_str(), mode);
  if (handle == nullptr) Note("%s", dlerror());
  REQUIRE(handle != nullptr);
  return handle;
}

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
  void* handle = dlmopen(LM_ID_NEWLM, PluginPath().c_str(), RTLD_NOW);
  if (handle == nullptr) Note("%s", dlerror());
  REQUIRE(handle != nullptr);
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

}  // namespace

std::vector<Scenario> Scenarios() {
  return {
      {"OpenUseAndCloseManyTimes", OpenUseAndCloseManyTimes},
      {"ThreadsUsePluginThreadLocals", ThreadsUsePluginThreadLocals},
      {"ThreadsOpenAndClose", ThreadsOpenAndClose},
      {"PluginLeftOpenIsClosedByExit", PluginLeftOpenIsClosedByExit},
      {"InnerNamespaceHasItsOwnMalloc", InnerNamespaceHasItsOwnMalloc},
  };
}

}  // namespace process
