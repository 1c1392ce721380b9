// A program with a malloc of its own: the dynamic linker prefers it to that of
// a preload. It allocates once and ends normally.

#include <errno.h>
#include <stddef.h>
#include <string.h>

namespace {

alignas(16) char g_memory[1 << 20];
size_t g_used = 0;

}  // namespace

extern "C" {

void* malloc(size_t size) {
  if (size > sizeof(g_memory) - g_used) {
    errno = ENOMEM;
    return nullptr;
  }
  void* const result = g_memory + g_used;
  g_used += (size + 15) / 16 * 16;
  return result;
}

void free(void*) {}

// The memory is fresh and so zero; that of the caller is never big.
void* calloc(size_t count, size_t size) { return malloc(count * size); }

void* realloc(void* old, size_t size) {
  void* const result = malloc(size);
  if (result == nullptr || old == nullptr) return result;
  const size_t behind = static_cast<size_t>(g_memory + sizeof(g_memory) -
                                            static_cast<char*>(old));
  memmove(result, old, size < behind ? size : behind);
  return result;
}

}  // extern "C"

int main() {
  void* volatile memory = malloc(100);
  free(memory);
  return memory == nullptr ? 1 : 0;
}
