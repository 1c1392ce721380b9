// A library with an allocator of its own, as some plug-ins have: its malloc and
// free are bound to its own code (-Bsymbolic). Blocks are cut from the program
// break and never used again. It also passes on what libc allocates for it,
// which is the program's malloc. One thread.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" {

__attribute__((visibility("default"))) void* malloc(size_t size) {
  return sbrk(static_cast<intptr_t>((size + 15) / 16 * 16));
}

__attribute__((visibility("default"))) void free(void*) {}

__attribute__((visibility("default"))) void* own_malloc(size_t size) {
  return malloc(size);
}

__attribute__((visibility("default"))) void own_free(void* block) {
  free(block);
}

__attribute__((visibility("default"))) char* copy_by_libc(const char* text) {
  return strdup(text);
}
}
