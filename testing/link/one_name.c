/* A program that names no function of the allocator: the one that it uses is
 * asked for on the linker's command line, by -u. What libc allocates for it
 * must come from the same allocator. Run by link_matrix_test.py.
 */
#include <stdio.h>
#include <string.h>

int main(void) {
  char* const volatile copy = strdup("allocated inside libc");
  return puts(copy) < 0;
}
