/* For programs that end with a line that was not true. */

#ifndef TESTING_COMPAT_CHECK_H_
#define TESTING_COMPAT_CHECK_H_

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

#endif /* TESTING_COMPAT_CHECK_H_ */
