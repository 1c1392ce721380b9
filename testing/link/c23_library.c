/* A library that frees by a name of C23, which glibc 2.36 lacks: a
 * program exports it to libraries that it loads only when told to. Loaded by
 * c23_program.c.
 */
#include <stddef.h>

void free_sized(void* pointer, size_t size);

void release(void* block, size_t size);
void release(void* block, size_t size) { free_sized(block, size); }
