// A program whose fast paths fast_paths_test.py reads. Only what it is linked
// with matters: malloc = "//memalloc" brings all the functions.

#include <cstdlib>
#include <new>

int main(int argc, char**) {
  void* cell = malloc(static_cast<size_t>(argc));
  free(cell);
  operator delete(operator new(16), 16);
  return 0;
}
