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

// For each function through which a program gets memory, and that may be the
// outermost one of ours on the stack: stacks of samples begin behind it
// (observe/stack.cc). By the section, as its limits are known to the linker.
#define MEMALLOC_ENTRY __attribute__((section("memalloc_entry")))

// Defined by malloc.cc.
extern MEMALLOC_HIDDEN const char g_malloc_is_linked;

__attribute__((used)) static const char* const kNeedsMalloc =
    &g_malloc_is_linked;

}  // namespace memalloc

#endif  // MEMALLOC_API_LINK_UNIT_H_
