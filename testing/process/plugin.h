// The interface of plugin.cc, a C++ plug-in as a program opens and closes it
// with dlopen and dlclose. Objects and raw blocks cross the boundary in both
// directions: what the one side allocates, the other frees.

#ifndef TESTING_PROCESS_PLUGIN_H_
#define TESTING_PROCESS_PLUGIN_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

class Plugin {
 public:
  virtual ~Plugin() = default;
  // A container that the caller destroys.
  virtual std::map<std::string, std::vector<int>> MakeMap(int entries) = 0;
  // Frees a block of the caller's and gives another for it.
  virtual char* Exchange(char* block, std::size_t size) = 0;
  // Throws an exception with a string made here.
  virtual void Throw(const std::string& text) = 0;
  // Writes and reads a large thread_local object of the plug-in.
  virtual int UseThreadLocal(int value) = 0;
};

// What dlsym(handle, "make_plugin") is; the caller deletes the result.
using MakePlugin = Plugin* (*)();

// What dlsym(handle, "free_at_close") is: the plug-in's static destructor frees
// the block, with free, when it is closed.
using FreeAtClose = void (*)(void* block);

// What dlsym(handle, "allocate") and dlsym(handle, "release") are: the plug-in
// calls malloc and free.
using Allocate = void* (*)(std::size_t size);
using Release = void (*)(void* block);

// What dlsym(handle, "set_key") is: sets the calling thread's value of a
// pthread key, the first one that the plug-in's libc makes.
using SetKey = void (*)(void* value);

#endif  // TESTING_PROCESS_PLUGIN_H_
