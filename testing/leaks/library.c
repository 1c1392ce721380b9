/* A library that loses memory. */

#include <stdlib.h>

__attribute__((noinline)) void* LoseInLibrary(void) { return malloc(64); }

void Leak(void);
void Leak(void) {
  void* block = LoseInLibrary();
  __asm__ volatile("" : : "r"(block) : "memory");
}
