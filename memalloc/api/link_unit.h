// Ties the files that define names of libc and C++ to malloc.cc.
//
// A linker takes from an archive only the objects that it needs a name of. A
// static program that calls operator new or mallinfo2, and malloc only inside
// of libc, would have libc's malloc beside ours. So each of the other files
// includes this one, which refers to malloc.cc; --gc-sections removes the
// reference again.

#ifndef MEMALLOC_API_LINK_UNIT_H_
#define MEMALLOC_API_LINK_UNIT_H_

#include "memalloc/base/attributes.h"

namespace memalloc {

// Defined by malloc.cc.
extern MEMALLOC_HIDDEN const char g_malloc_is_linked;

__attribute__((used)) static const char* const kNeedsMalloc =
    &g_malloc_is_linked;

}  // namespace memalloc

#endif  // MEMALLOC_API_LINK_UNIT_H_
