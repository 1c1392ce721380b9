// Between numbers and the text of options; see option_values.h.

#include "memalloc/compat/option_values.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "memalloc/memalloc.h"

namespace memalloc_compat {

uint64_t GetOption(const char* name) {
  char text[64];
  if (memalloc_get_option == nullptr ||
      memalloc_get_option(name, text, sizeof(text)) < 0) {
    return 0;
  }
  char* unit;
  const uint64_t value = strtoull(text, &unit, 10);
  switch (*unit) {
    case 'K':
      return value << 10;
    case 'M':
      return value << 20;
    case 'G':
      return value << 30;
    case 'T':
      return value << 40;
    default:
      return value;
  }
}

int SetOption(const char* name, uint64_t value) {
  if (memalloc_set_option == nullptr) return ENOENT;
  char text[32];
  snprintf(text, sizeof(text), "%" PRIu64, value);
  return memalloc_set_option(name, text);
}

}  // namespace memalloc_compat
