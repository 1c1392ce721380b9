/* Loads the library of its argument and lets it free a block. Prints "freed",
 * or what the dynamic linker says. Run by link_matrix_test.py.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  void* const library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (library == NULL) {
    puts(dlerror());
    return 1;
  }
  void (*release)(void*, size_t);
  *(void**)&release = dlsym(library, "release");
  release(malloc(100), 100);
  puts("freed");
  return 0;
}
