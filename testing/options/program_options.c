/* Options that a program starts with; the last one is none. */

#include "memalloc/memalloc.h"

const char memalloc_options[] =
    "purge_delay=500ms,huge_pages=never, top_pad = 3M,no_such=1";
