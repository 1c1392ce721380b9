// Parts of libc and of the C++ library that allocate, each as the first thing
// that happens in a process, and in a thread.
//
// The first time is in preinit_array, before the constructors of all libraries:
// nothing of memalloc has run, libc's own constructors have not either, and the
// call comes from inside libc, perhaps under one of its locks. The second is in
// a thread that has no heap yet. An allocator that calls the same part of libc
// in its initialisation recurses or hangs here.

#include <dirent.h>
#include <dlfcn.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

#include "testing/contract/allocator_in_charge.h"
#include "testing/process/blocks.h"
#include "testing/process/harness.h"
#include "testing/process/plugin.h"

namespace process {
namespace {

void RequireOrdinary(const void* block) {
  REQUIRE(block != nullptr);
  REQUIRE(contract::OwnedByMemalloc(block) == contract::kExpectMemalloc);
}

void* Open(const char* name) {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 100);
  REQUIRE(length > 0);
  path[length] = '\0';
  strcpy(strrchr(path, '/') + 1, name);
  return dlopen(path, RTLD_NOW);
}

// The text of an error of the dynamic linker is a block.
void FailedLookups() {
  REQUIRE(dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere") == nullptr);
  REQUIRE(strstr(dlerror(), "no_such_symbol_anywhere") != nullptr);
  REQUIRE(Open("nonexistent.so") == nullptr);
  REQUIRE(strstr(dlerror(), "nonexistent.so") != nullptr);
}

// libc allocates room for values of keys beyond the first 32.
void ManyKeys() {
  for (int i = 0; i < 100; ++i) {
    pthread_key_t key;
    REQUIRE(pthread_key_create(&key, nullptr) == 0);
    REQUIRE(pthread_setspecific(key, &key) == 0);
    REQUIRE(pthread_getspecific(key) == &key);
  }
}

// libc keeps a list of them, made by calloc.
void ThreadLocalDestructors() {
  struct Owner {
    ~Owner() { free(block); }
    void* block = nullptr;
  };
  thread_local Owner first;
  thread_local Owner second;
  first.block = malloc(100);
  second.block = strdup("text");
  RequireOrdinary(second.block);
}

void Streams() {
  FILE* file = fopen("/proc/self/status", "r");
  RequireOrdinary(file);
  char* line = nullptr;
  size_t room = 0;
  REQUIRE(getline(&line, &room, file) > 0);
  RequireOrdinary(line);
  free(line);
  fclose(file);
}

void Directories() {
  DIR* directory = opendir("/proc/self");
  RequireOrdinary(directory);
  REQUIRE(readdir(directory) != nullptr);
  closedir(directory);
  char* path = realpath("/proc/self/..", nullptr);
  RequireOrdinary(path);
  free(path);
}

void Processors() {
  REQUIRE(sysconf(_SC_NPROCESSORS_CONF) >= 1);
  REQUIRE(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
  REQUIRE(sysconf(_SC_PHYS_PAGES) >= 1);
}

void EnvironmentAndLocale() {
  REQUIRE(setenv("TESTING_PROCESS", "a value", 1) == 0);
  REQUIRE(strcmp(getenv("TESTING_PROCESS"), "a value") == 0);
  REQUIRE(setlocale(LC_ALL, "C.UTF-8") != nullptr);
  locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
  REQUIRE(locale != nullptr);
  freelocale(locale);
}

void Sorting() {
  // Too much for the stack, so that qsort allocates.
  static int numbers[100000];
  for (int i = 0; i < 100000; ++i) numbers[i] = 7919 * i % 100000;
  qsort(numbers, 100000, sizeof(int), [](const void* a, const void* b) {
    return *static_cast<const int*>(a) - *static_cast<const int*>(b);
  });
  for (int i = 0; i < 100000; ++i) REQUIRE(numbers[i] == i);
}

// Storage that the dynamic linker allocates for each thread at its first use.
void DynamicThreadLocals() {
  void* library = Open("plugin.so");
  if (library == nullptr) Note("%s", dlerror());
  REQUIRE(library != nullptr);
  auto* make = reinterpret_cast<MakePlugin>(dlsym(library, "make_plugin"));
  Plugin* plugin = make();
  RequireOrdinary(plugin);
  REQUIRE(plugin->UseThreadLocal(1) == 1);
  delete plugin;
}

void Exceptions() {
  try {
    throw std::runtime_error("text");
  } catch (const std::exception& error) {
    REQUIRE(strcmp(error.what(), "text") == 0);
  }
}

void Threads() {
  pthread_t thread;
  auto body = [](void*) -> void* { return strdup("made by the thread"); };
  REQUIRE(pthread_create(&thread, nullptr, body, nullptr) == 0);
  void* block = nullptr;
  REQUIRE(pthread_join(thread, &block) == 0);
  RequireOrdinary(block);
  free(block);
}

struct Use {
  const char* name;
  void (*run)();
};

constexpr Use kUses[] = {
    {"FailedLookups", FailedLookups},
    {"ManyKeys", ManyKeys},
    {"ThreadLocalDestructors", ThreadLocalDestructors},
    {"Streams", Streams},
    {"Directories", Directories},
    {"Processors", Processors},
    {"EnvironmentAndLocale", EnvironmentAndLocale},
    {"Sorting", Sorting},
    {"DynamicThreadLocals", DynamicThreadLocals},
    {"Exceptions", Exceptions},
    {"Threads", Threads},
};

const Use* g_use = nullptr;

void Preinit(int argc, char** argv, char**) {
  const char* scenario = ScenarioOf(argc, argv);
  for (const Use& use : kUses) {
    if (strcmp(use.name, scenario) != 0) continue;
    g_use = &use;
    use.run();
  }
}

__attribute__((section(".preinit_array"),
               used)) void (*const g_preinit)(int, char**, char**) = Preinit;

void AgainInAThread() {
  REQUIRE(g_use != nullptr);
  pthread_t thread;
  auto body = [](void*) -> void* {
    g_use->run();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, nullptr, body, nullptr) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  Exercise(2, 500);
}

}  // namespace

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> scenarios;
  for (const Use& use : kUses) scenarios.push_back({use.name, AgainInAThread});
  return scenarios;
}

}  // namespace process
