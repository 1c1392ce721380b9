// Uses of libc and libstdc++ that allocate inside them.
//
// In a static link they bring in the parts of libc.a that refer to malloc's
// names, one of which would bring in libc's malloc.o if memalloc did not define
// it. In a dynamic link they show that the shared libraries allocate from the
// program's allocator.
//
// Called by all_names.cc, on one thread; forks and starts a thread itself.
#ifndef TESTING_LINK_LIBC_USERS_H_
#define TESTING_LINK_LIBC_USERS_H_

namespace link_test {

// Is told about memory: who allocated it, and a pointer to it.
using BlockSeen = void (*)(const char* who, const void* block);

// Runs all of them and reports their memory. Returns how many failed.
int UseLibc(BlockSeen seen);

}  // namespace link_test

#endif  // TESTING_LINK_LIBC_USERS_H_
