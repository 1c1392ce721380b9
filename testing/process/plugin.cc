// A plug-in that allocates in its static constructor, its thread_local objects,
// its calls, and its static destructor, which dlclose runs. It is linked with
// libstdc++ alone; the process that opens it decides whose malloc it uses. Its
// thread_local array is large enough that the dynamic linker allocates it, per
// thread and with the program's malloc, at first use.

#include "testing/process/plugin.h"

#include <pthread.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace {

// Filled before dlopen returns, freed by dlclose.
struct StaticState {
  StaticState() {
    for (int i = 0; i < 500; ++i) names[i] = std::string(i, 'p');
  }
  ~StaticState() {
    for (void* block : blocks) free(block);
  }
  std::map<int, std::string> names;
  std::vector<void*> blocks;
};

StaticState g_state;

thread_local int t_array[5000];

class PluginImplementation : public Plugin {
 public:
  std::map<std::string, std::vector<int>> MakeMap(int entries) override {
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < entries; ++i) {
      map["a key long enough for the heap " + std::to_string(i)].assign(i, i);
    }
    return map;
  }

  char* Exchange(char* block, std::size_t size) override {
    auto* other = static_cast<char*>(malloc(size));
    memcpy(other, block, size);
    free(block);
    return other;
  }

  void Throw(const std::string& text) override {
    throw std::runtime_error(text + std::string(100, '!'));
  }

  int UseThreadLocal(int value) override {
    for (int& element : t_array) element += value;
    return t_array[4999];
  }
};

}  // namespace

extern "C" Plugin* make_plugin() { return new PluginImplementation; }

extern "C" void free_at_close(void* block) { g_state.blocks.push_back(block); }

extern "C" void* allocate(std::size_t size) { return malloc(size); }

extern "C" void release(void* block) { free(block); }

extern "C" void set_key(void* value) {
  static const pthread_key_t key = [] {
    pthread_key_t created;
    if (pthread_key_create(&created, nullptr) != 0) abort();
    return created;
  }();
  pthread_setspecific(key, value);
}
