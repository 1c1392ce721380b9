// Pointers into the middle of an allocation.

#include <malloc.h>

#include <cstdlib>

#include "testing/corruption/corruption.h"

namespace corruption {
namespace {

void FreeBehind(size_t size, size_t offset) {
  free(Announce(Behind(malloc(size), offset)));
}

void ByAnotherThread(size_t offset) {
  void* pointer = Behind(malloc(64), offset);
  OnThread([pointer] { free(Announce(pointer)); });
}

// It joins the free list and is seen when that is used: misaligned wherever it
// stands there, else if it is the first.
void SeenLater(size_t offset) {
  OnThread([offset] {
    free(Announce(Behind(malloc(3000), offset)));
    AllocateMany(3000, 100);
  });
}

void ReallocBehind(size_t size, size_t offset) {
  free(realloc(Announce(Behind(malloc(size), offset)), size));
}

void UsableSizeBehind(size_t size, size_t offset) {
  void* pointer = Announce(Behind(malloc(size), offset));
  if (malloc_usable_size(pointer) == 1) abort();
}

}  // namespace

const std::vector<Case> kInteriorPointers = {
    {"interior_of_a_large_block", [] { FreeBehind(kMiB, 16); }},
    {"interior_in_a_later_granule", [] { FreeBehind(kMiB, 512 * kKiB); }},
    {"interior_of_a_huge_block", [] { FreeBehind(20 * kMiB, 4 * kKiB); }},
    {"interior_in_a_later_slot", [] { FreeBehind(40 * kMiB, 33 * kMiB); }},
    {"interior_by_another_thread", [] { ByAnotherThread(16); }},
    {"misaligned_by_another_thread", [] { ByAnotherThread(4); }},
    {"misaligned_seen_later", [] { SeenLater(8); }},
    {"interior_seen_later", [] { SeenLater(32); }},
    {"realloc_of_interior", [] { ReallocBehind(100, 16); }},
    {"realloc_of_interior_large", [] { ReallocBehind(kMiB, 16); }},
    {"usable_size_of_interior", [] { UsableSizeBehind(100, 48); }},
    {"usable_size_of_misaligned", [] { UsableSizeBehind(100, 1); }},
    {"usable_size_of_interior_large", [] { UsableSizeBehind(kMiB, 64); }},
};

}  // namespace corruption
