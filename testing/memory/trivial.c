/* The smallest program that uses malloc. It says that it is there and waits for
 * the end of its input; trivial_test.py looks at its memory from outside. */

#include <stdlib.h>
#include <unistd.h>

int main(void) {
  char* volatile block = malloc(1);
  char byte;
  block[0] = 'm';
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  free(block);
  return 0;
}
