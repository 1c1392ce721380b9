// Loads the plug-in that its argument names and exchanges memory with it.

#include <dlfcn.h>

#include <cstdio>
#include <memory>
#include <string>

#include "whose_malloc.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  void* library = dlopen(arguments[1], RTLD_NOW);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  using Function = std::string*(std::string*);
  auto* make = reinterpret_cast<Function*>(dlsym(library, "MakeText"));
  const std::unique_ptr<std::string> text(
      make(new std::string("a text that goes there")));
  std::puts(WhoseMalloc(text.get()));
  std::puts(WhoseMalloc(text->data()));
  return *text == "a text that goes there and back" ? 0 : 1;
}
