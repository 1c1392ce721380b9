// Pointers that are no memory of the allocator: of other memory of the program,
// and wild ones.

#include <malloc.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "testing/corruption/corruption.h"

namespace corruption {
namespace {

alignas(16) char g_global[64];

void* At(uint64_t address) { return reinterpret_cast<void*>(address); }

void FreeOf(const void* pointer) { free(Announce(pointer)); }

// With a heap in use.
void OfTheStack() {
  free(malloc(100));
  alignas(16) char on_stack[64];
  FreeOf(on_stack);
}

void OfAPageThatIsGone() {
  void* page = mmap(nullptr, 4 * kKiB, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page, 4 * kKiB);
  FreeOf(page);
}

// In all calls, which succeed or fail as documented when that is not the end.
void InAllCalls() {
  void* pointer = Announce(g_global);
  errno = 0;
  free(pointer);
  if (free_sized != nullptr) free_sized(pointer, 64);
  const size_t usable_size = malloc_usable_size(pointer);
  const int free_errno = errno;
  const void* moved = realloc(pointer, 100);
  printf("%zu %d %p %s\n", usable_size, free_errno, moved,
         errno == ENOMEM ? "ENOMEM" : "?");
}

}  // namespace

const std::vector<Case> kForeignPointers = {
    {"free_of_the_stack", OfTheStack},
    {"free_of_a_global", [] { FreeOf(g_global); }},
    {"free_of_a_literal", [] { FreeOf("literal"); }},
    {"free_of_code",
     [] { FreeOf(reinterpret_cast<const void*>(&OfTheStack)); }},
    {"free_of_libcs_memory", [] { FreeOf(AllocateFromLibc(64)); }},
    {"free_of_libcs_mapping", [] { FreeOf(AllocateFromLibc(kMiB)); }},
    {"free_of_an_unmapped_page", OfAPageThatIsGone},
    {"free_in_the_null_page", [] { FreeOf(At(0x10)); }},
    {"free_of_minus_one", [] { FreeOf(At(UINT64_MAX)); }},
    {"free_non_canonical", [] { FreeOf(At(0xdeadbeefdeadbee0)); }},
    {"free_in_the_kernels_half", [] { FreeOf(At(0xffff888000100000)); }},
    {"delete_of_a_global",
     [] { operator delete (Announce(g_global), size_t{64}); }},
    {"realloc_of_a_global", [] { free(realloc(Announce(g_global), 100)); }},
    {"realloc_non_canonical",
     [] { free(realloc(Announce(At(0xdeadbeefdeadbee0)), 100)); }},
    {"usable_size_of_a_global",
     [] {
       if (malloc_usable_size(Announce(g_global)) == 1) abort();
     }},
    {"foreign_in_all_calls", InAllCalls},
};

}  // namespace corruption
